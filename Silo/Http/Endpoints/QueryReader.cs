using System.Globalization;
using Microsoft.AspNetCore.Http;

namespace Plane.Silo.Http.Endpoints;

/// <summary>Reads the parameters of a query one by one; the first that is wrong is the problem. An empty one counts as not given. The handler has each as a text too: the description of the API is made of its parameters.</summary>
internal sealed class QueryReader(HttpRequest request)
{
    /// <summary>What is wrong.</summary>
    public string? Problem { get; private set; }

    /// <summary>A parameter's text.</summary>
    public string? Text(string name)
    {
        var values = request.Query[name];
        Problem ??= values.Count > 1 ? $"{name} is given twice" : null;
        return values is [{ Length: > 0 } value, ..] ? value : null;
    }

    /// <summary>A whole number within bounds.</summary>
    public long? Number(string name, long least, long greatest)
    {
        if (Text(name) is not { } text)
        {
            return null;
        }

        if (long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= least && number <= greatest)
        {
            return number;
        }

        Problem ??= $"{name} must be a whole number from {least} to {greatest}";
        return null;
    }

    /// <summary>True or false; false where it isn't given.</summary>
    public bool Flag(string name)
    {
        var text = Text(name);
        Problem ??= text is null or "true" or "false" ? null : $"{name} must be true or false";
        return text == "true";
    }

    /// <summary>A value by its own rule.</summary>
    public T? Value<T>(string name, string rule, Func<string, T?> parse)
        where T : struct
    {
        var text = Text(name);
        var value = text is null ? null : parse(text);
        Problem ??= text is not null && value is null ? $"{name} {rule}" : null;
        return value;
    }
}
