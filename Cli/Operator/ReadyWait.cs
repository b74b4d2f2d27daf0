using Plane.Cli.Output;
using Plane.Client;

namespace Plane.Cli.Operator;

/// <summary>
/// Waits until a backend is ready or has ended, and shows meanwhile what its drone reports of it: that it listens on another port, or on an address that
/// can't be reached. The status stream carries states alone, so the details are read beside it.
/// </summary>
internal sealed class ReadyWait(ControllerClient client, Printer printer, TimeProvider time)
{
    private static readonly TimeSpan s_hintsEvery = TimeSpan.FromSeconds(1);

    /// <summary>Waits.</summary>
    /// <returns>The entry that ended the wait: ready, or the end.</returns>
    public async Task<StatusEntry> WaitAsync(BackendName backend, CancellationToken cancellationToken)
    {
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        StatusEntry? last = null;
        await ProgressView.ShowAsync(printer, async view =>
        {
            var hints = ShowHintsAsync(backend, view, over.Token);
            try
            {
                await foreach (var entry in client.FollowAsync(backend, cancellationToken).ConfigureAwait(false))
                {
                    last = entry;
                    view.Status(entry.Status);
                    if (entry.Status is BackendStatus.Ready or BackendStatus.Terminated)
                    {
                        break;
                    }
                }
            }
            finally
            {
                await over.CancelAsync().ConfigureAwait(false);
                await hints.ConfigureAwait(false);
            }
        }).ConfigureAwait(false);
        return last ?? throw new ControllerUnreachableException("the controller sent no status");
    }

    private async Task ShowHintsAsync(BackendName backend, IProgress view, CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(s_hintsEvery, time);
        string? shown = null;
        try
        {
            while (await timer.WaitForNextTickAsync(cancellationToken).ConfigureAwait(false))
            {
                if (await ReadHintAsync(backend, cancellationToken).ConfigureAwait(false) is { } hint && hint != shown)
                {
                    shown = hint;
                    view.Hint(hint);
                }
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // The wait is over.
            return;
        }
    }

    private async Task<string?> ReadHintAsync(BackendName backend, CancellationToken cancellationToken)
    {
        try
        {
            return await client.BackendAsync(backend, cancellationToken).ConfigureAwait(false) is { Status: < BackendStatus.Ready } details ? details.Message : null;
        }
        catch (Exception e) when (e is ControllerUnreachableException or RefusedException)
        {
            // The status stream is the judge of whether the controller answers; without hints the wait continues.
            return null;
        }
    }
}
