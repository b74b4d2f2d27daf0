using System.CommandLine.Parsing;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text.Json;
using Plane.Hosting.Configuration;

namespace Plane.Cli.Operator;

/// <summary>Reads values of the command line; each problem names the option and the rule.</summary>
internal static class CommandValues
{
    public static T? Name<T>(ArgumentResult result)
        where T : struct, IPlaneName<T>
    {
        if (T.TryParse(Single(result), out var name))
        {
            return name;
        }

        result.AddError($"{Label(result)}: {T.Rule}");
        return null;
    }

    public static T RequiredName<T>(ArgumentResult result)
        where T : struct, IPlaneName<T> => Name<T>(result) ?? default;

    public static BackendProtocol? Protocol(ArgumentResult result)
    {
        switch (Single(result))
        {
            case "http1":
                return BackendProtocol.Http1;
            case "h2c":
                return BackendProtocol.H2c;
            default:
                result.AddError($"{Label(result)}: must be http1 or h2c");
                return null;
        }
    }

    public static int? WholeNumber(ArgumentResult result)
    {
        if (int.TryParse(Single(result), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number))
        {
            return number;
        }

        result.AddError($"{Label(result)} must be a whole number");
        return null;
    }

    public static double? Cpus(ArgumentResult result)
    {
        if (double.TryParse(Single(result), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number) && number * 1000 <= ResourceRequests.MostCpuMillis)
        {
            return number;
        }

        result.AddError($"{Label(result)}: must be a number of CPUs from 0 to {ResourceRequests.MostCpuMillis / 1000}, as 0.5");
        return null;
    }

    public static ByteSize? Bytes(ArgumentResult result)
    {
        if (ByteSize.TryParse(Single(result), out var size))
        {
            return size;
        }

        result.AddError($"{Label(result)}: {ByteSize.Rule}");
        return null;
    }

    public static int RequiredWholeNumber(ArgumentResult result) => WholeNumber(result) ?? 0;

    public static Uri? HttpUrl(ArgumentResult result)
    {
        if (TryHttpUrl(Single(result), out var url))
        {
            return url;
        }

        result.AddError($"{Label(result)}: must be an http:// or https:// address");
        return null;
    }

    public static bool TryHttpUrl(string? text, [NotNullWhen(true)] out Uri? url) =>
        Uri.TryCreate(text, UriKind.Absolute, out url) && url.Scheme is "http" or "https" && url!.UserInfo.Length == 0;

    public static JsonText? Json(ArgumentResult result)
    {
        if (JsonText.TryParse(Single(result), out var json))
        {
            return json;
        }

        result.AddError($"{Label(result)}: must be JSON");
        return null;
    }

    /// <summary>A command as one text: shell words, or a JSON array of strings where it begins with a bracket.</summary>
    public static string[]? CommandLine(ArgumentResult result)
    {
        var text = Single(result);
        try
        {
            var words = text.StartsWith('[') ? JsonSerializer.Deserialize<string[]>(text) : ShellWords.Split(text);
            if (words is { Length: > 0 })
            {
                return words;
            }

            result.AddError($"{Label(result)}: must not be empty");
        }
        catch (Exception e) when (e is FormatException or JsonException)
        {
            result.AddError($"{Label(result)}: {(e is JsonException ? "must be shell words or a JSON array of strings" : e.Message)}");
        }

        return null;
    }

    public static Dictionary<string, string>? Environment(ArgumentResult result)
    {
        var env = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var token in result.Tokens)
        {
            var split = token.Value.IndexOf('=', StringComparison.Ordinal);
            if (split <= 0)
            {
                result.AddError($"{Label(result)}: must be NAME=VALUE");
                return null;
            }

            env[token.Value[..split]] = token.Value[(split + 1)..];
        }

        return env;
    }

    private static string Single(ArgumentResult result) => result.Tokens.Count > 0 ? result.Tokens[^1].Value : "";

    private static string Label(ArgumentResult result) => result.Parent is OptionResult option ? option.Option.Name : result.Argument.Name;
}
