using Spectre.Console;

namespace Plane.Cli.Output;

/// <summary>Follows a backend's life until a state is reached: a live line on a terminal (on standard error), nothing in a pipe.</summary>
internal static class ProgressView
{
    public static async Task<StatusEntry?> WaitAsync(
        Printer printer, IAsyncEnumerable<StatusEntry> entries, Func<BackendStatus, bool> reached, CancellationToken cancellationToken)
    {
        if (!printer.IsTerminal || printer.IsJson)
        {
            return await FollowAsync(entries, reached, _ => { }, cancellationToken).ConfigureAwait(false);
        }

        var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error) });
        StatusEntry? last = null;
        await console.Status().Spinner(Spinner.Known.Dots).StartAsync(
            "scheduled", async view => last = await FollowAsync(entries, reached, e => view.Status(e.Status.WireName()), cancellationToken).ConfigureAwait(false))
            .ConfigureAwait(false);
        return last;
    }

    private static async Task<StatusEntry?> FollowAsync(
        IAsyncEnumerable<StatusEntry> entries, Func<BackendStatus, bool> reached, Action<StatusEntry> show, CancellationToken cancellationToken)
    {
        StatusEntry? last = null;
        await foreach (var entry in entries.WithCancellation(cancellationToken).ConfigureAwait(false))
        {
            last = entry;
            show(entry);
            if (reached(entry.Status))
            {
                break;
            }
        }

        return last;
    }
}
