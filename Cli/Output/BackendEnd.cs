using System.Globalization;

namespace Plane.Cli.Output;

/// <summary>Why a backend that was wanted is not there: in a sentence, and by the last lines of its output.</summary>
internal static class BackendEnd
{
    /// <summary>The sentence: whether it was ever ready, how it ended, and what its drone says of it.</summary>
    public static string Explain(BackendDetails backend)
    {
        var last = backend.History.LastOrDefault();
        string?[] facts =
        [
            last is null || backend.Status != BackendStatus.Terminated ? null : Printer.Why(last),
            backend.ExitCode is { } code ? string.Create(CultureInfo.InvariantCulture, $"exit code {code}") : null,
        ];
        var known = string.Join(", ", facts.OfType<string>());
        return (backend.Status == BackendStatus.Terminated ? "has ended" : "is ending")
            + (backend.History.Any(e => e.Status == BackendStatus.Ready) ? "" : " and was never ready")
            + (known.Length > 0 ? $" ({known})" : "")
            + (backend.Message is { } message ? ": " + Printer.Plain(message) : "");
    }

    /// <summary>Prints both to standard error.</summary>
    public static void Print(Printer printer, BackendDetails backend)
    {
        printer.Problem($"the backend {Explain(backend)}");
        PrintOutput(printer, backend);
        printer.Note($"plane: see plane backend {backend.BackendId}");
    }

    /// <summary>Prints the last lines of its output to standard error, where its drone reported them.</summary>
    public static void PrintOutput(Printer printer, BackendDetails backend) => PrintOutput(printer, backend.OutputTail);

    /// <summary>Prints last lines to standard error, where there are any.</summary>
    public static void PrintOutput(Printer printer, string? tail)
    {
        if (tail is not { Length: > 0 } output)
        {
            return;
        }

        printer.Note("the last lines of its output:");
        foreach (var line in output.TrimEnd('\n').Split('\n'))
        {
            printer.Note("  | " + Printer.Plain(line));
        }
    }
}
