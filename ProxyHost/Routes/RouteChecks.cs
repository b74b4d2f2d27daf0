using System.Threading.Channels;
using Microsoft.Extensions.Hosting;
using Plane.ProxyHost.Connections;

namespace Plane.ProxyHost.Routes;

/// <summary>
/// Checks routes behind the requests that use them, a few at a time. A route that turns out to be gone also loses its open connections: the change that said so
/// may have been missed.
/// </summary>
internal sealed class RouteChecks(RouteResolver resolver, OpenExchanges open, TimeProvider time) : BackgroundService
{
    private const int Workers = 8;

    // A second apiece: some two minutes of a controller that answers others but not this.
    private const int Attempts = 120;

    private static readonly TimeSpan s_afterFailure = TimeSpan.FromSeconds(1);

    // Bounded by the routes there are: none is in it twice (TryBeginCheck).
    private readonly Channel<RouteEntry> _queue = Channel.CreateUnbounded<RouteEntry>();

    public void Offer(RouteEntry entry)
    {
        if (entry.TryBeginCheck())
        {
            _queue.Writer.TryWrite(entry);
        }
    }

    /// <summary>Checks the routes of all open connections: one that is idle isn't "used" again, and may have been revoked unseen.</summary>
    public void OfferOpen()
    {
        foreach (var entry in open.Routes())
        {
            Offer(entry);
        }
    }

    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        Task.WhenAll(Enumerable.Range(0, Workers).Select(_ => Task.Run(() => WorkAsync(stoppingToken), CancellationToken.None)));

    private async Task WorkAsync(CancellationToken cancellationToken)
    {
        try
        {
            await foreach (var entry in _queue.Reader.ReadAllAsync(cancellationToken))
            {
                try
                {
                    await CheckAsync(entry, cancellationToken);
                }
                finally
                {
                    entry.EndCheck();
                }
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // The proxy stops.
        }
    }

    private async Task CheckAsync(RouteEntry entry, CancellationToken cancellationToken)
    {
        for (var attempt = 0; attempt < Attempts; attempt++)
        {
            if (await resolver.CheckAsync(entry, attempt, cancellationToken) is { } answer)
            {
                if (answer.Outcome is ResolutionOutcome.Gone or ResolutionOutcome.NeverReady)
                {
                    open.CutToken(entry.Route.Backend, entry.TokenHash);
                }

                return;
            }

            await Task.Delay(s_afterFailure, time, cancellationToken);
        }
    }
}
