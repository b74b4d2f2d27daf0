using System.Globalization;

namespace Plane.TestBackend;

/// <summary>What this backend was told to do, by <c>BACKEND_*</c> variables or <c>--name=value</c> arguments (the arguments win).</summary>
internal sealed class Behaviour
{
    private readonly Dictionary<string, string> _values = new(StringComparer.OrdinalIgnoreCase);

    private Behaviour()
    {
    }

    /// <summary>Where to listen; <c>SESSION</c>'s port, or 8080 as in a container.</summary>
    public int Port { get; private init; }

    /// <summary><c>any</c> in the image (a container's own network), else loopback.</summary>
    public bool BindAny => Text("bind") == "any";

    /// <summary><c>never</c>: alive, but without a listener.</summary>
    public bool NeverListens => Text("listen") == "never";

    /// <summary>How long to wait before listening.</summary>
    public TimeSpan StartDelay => Milliseconds("start-delay-ms");

    /// <summary>Exit with this code instead of starting.</summary>
    public int? ExitAtOnce => Number("exit-at-once");

    /// <summary>Exit with <see cref="ExitCode"/> this long after the start.</summary>
    public TimeSpan? ExitAfter => Number("exit-after-ms") is { } ms ? TimeSpan.FromMilliseconds(ms) : null;

    /// <summary>The exit code of <see cref="ExitAfter"/> and of a SIGTERM.</summary>
    public int ExitCode => Number("exit-code") ?? 0;

    /// <summary>SIGTERM is noted and nothing else.</summary>
    public bool IgnoresSigterm => Text("ignore-sigterm") is "1" or "true";

    /// <summary>How long the end takes after a SIGTERM.</summary>
    public TimeSpan StopDelay => Milliseconds("stop-delay-ms");

    /// <summary>Lines of about 100 bytes written at the start; -1 for no end.</summary>
    public int FloodLines => Number("flood-lines") ?? 0;

    /// <summary>A file that the backend appends its life to (<see cref="LifeRecord"/>).</summary>
    public string? RecordFile => Text("record");

    /// <summary>Answers everything with this status.</summary>
    public int? Status => Number("status");

    public static Behaviour Read(string[] args)
    {
        var behaviour = new Behaviour
        {
            Port = int.TryParse(Environment.GetEnvironmentVariable("PORT"), CultureInfo.InvariantCulture, out var port) ? port : 8080,
        };
        foreach (System.Collections.DictionaryEntry variable in Environment.GetEnvironmentVariables())
        {
            var name = (string)variable.Key;
            if (name.StartsWith("BACKEND_", StringComparison.Ordinal))
            {
                behaviour._values[name["BACKEND_".Length..].Replace('_', '-')] = (string?)variable.Value ?? "";
            }
        }

        foreach (var arg in args)
        {
            if (!arg.StartsWith("--", StringComparison.Ordinal))
            {
                throw new ArgumentException($"'{arg}' is not --name=value");
            }

            var split = arg[2..].Split('=', 2);
            behaviour._values[split[0]] = split.Length == 2 ? split[1] : "1";
        }

        return behaviour;
    }

    private string? Text(string name) => _values.GetValueOrDefault(name);

    private int? Number(string name) => Text(name) is { Length: > 0 } text ? int.Parse(text, CultureInfo.InvariantCulture) : null;

    private TimeSpan Milliseconds(string name) => TimeSpan.FromMilliseconds(Number(name) ?? 0);
}
