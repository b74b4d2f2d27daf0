using System.CommandLine;
using System.Text.Json;
using Plane.Hosting.Configuration;

namespace Plane.Cli.Operator;

/// <summary>The flags of <c>plane service set</c>, or the file in their place.</summary>
internal sealed class ServiceFlags
{
    private const int MaxFile = 1024 * 1024;

    private readonly SpawnFlags _spawn = new();
    private readonly Option<FileInfo?> _file = new("--file")
    {
        Description = "The whole service as JSON, as the API takes it and plane service show --json prints it; - for standard input. Instead of all other flags.",
        HelpName = "FILE",
    };

    private readonly Option<string?> _access = new("--access")
    {
        Description = "Who may enter: public, signed, or the URL of a forward-auth service.",
        HelpName = "ACCESS",
    };

    private readonly Option<int?> _maxBackends = Number("--max-backends", "The most backends at a time.");
    private readonly Option<int?> _warm = Number("--warm", "Keep so many backends running without a key.");
    private readonly Option<int?> _warmAge = SpawnFlags.Seconds("--warm-max-age-seconds", "Replace those after so long.");

    private readonly Option<string?> _claimPath = new("--claim-path")
    {
        Description = "Where such a backend is sent its key; none: nowhere.",
        HelpName = "PATH",
        DefaultValueFactory = static _ => WarmConfig.DefaultClaimPath,
    };

    private readonly Option<bool> _prepull = new("--prepull") { Description = "Let drones pull the image before it is needed." };

    private Option[] All => [_file, .. _spawn.OfProgram, _access, .. _spawn.OfStart, _maxBackends, _warm, _warmAge, _claimPath, _prepull];

    public Command AddTo(Command command)
    {
        foreach (var option in All)
        {
            command.Options.Add(option);
        }

        return command;
    }

    /// <summary>The body that they say.</summary>
    /// <exception cref="UsageException">They contradict each other, or the file can't be read.</exception>
    public JsonElement Bind(ParseResult parsed)
    {
        if (parsed.GetValue(_file) is { } file)
        {
            var others = All.Where(o => o != _file && parsed.GetResult(o) is { Implicit: false }).Select(o => o.Name).ToArray();
            return others.Length == 0 ? Read(file) : throw new UsageException($"{string.Join(", ", others)}: cannot be combined with --file, which holds the whole configuration");
        }

        var spawn = _spawn.Bind(parsed) ?? throw new UsageException("give --image or --command to run, or --file");
        var access = parsed.GetValue(_access) switch
        {
            null => throw new UsageException("--access must be given: public, signed, or the URL of a forward-auth service"),
            "public" => ServiceAccess.Public,
            "signed" => ServiceAccess.Signed,
            var url when CommandValues.TryHttpUrl(url, out _) => ServiceAccess.ByForwardAuth(url),
            _ => throw new UsageException("--access: must be public, signed, or an http:// or https:// address"),
        };
        if (parsed.GetValue(_warm) is null && (parsed.GetValue(_warmAge) is not null || parsed.GetResult(_claimPath) is { Implicit: false }))
        {
            throw new UsageException("--warm-max-age-seconds and --claim-path need --warm");
        }

        return JsonSerializer.SerializeToElement(
            new ServiceConfig
            {
                SpawnConfig = spawn,
                Access = access,
                MaxBackends = parsed.GetValue(_maxBackends),
                Warm = parsed.GetValue(_warm) is { } count
                    ? new WarmConfig
                    {
                        Count = count,
                        MaxAgeSeconds = parsed.GetValue(_warmAge),
                        ClaimPath = parsed.GetValue(_claimPath) is var path and not "none" ? path : null,
                    }
                    : null,
                Prepull = parsed.GetValue(_prepull),
            },
            PlaneJson.Http);
    }

    private static JsonElement Read(FileInfo file)
    {
        try
        {
            var isInput = file.ToString() == "-";
            if (!isInput && file.Length > MaxFile)
            {
                throw new UsageException($"--file: must have at most {MaxFile} bytes");
            }

            using var stream = isInput ? Console.OpenStandardInput() : file.OpenRead();
            using var json = JsonDocument.Parse(stream);
            return json.RootElement.Clone();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            throw new UsageException($"--file: {(e is JsonException ? "is not JSON: " : "")}{e.Message}");
        }
    }

    private static Option<int?> Number(string name, string description) =>
        new(name) { Description = description, HelpName = "NUMBER", CustomParser = CommandValues.WholeNumber };
}
