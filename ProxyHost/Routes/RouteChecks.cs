using System.Threading.Channels;
using Microsoft.Extensions.Hosting;
using Plane.Proxy.Connections;

namespace Plane.Proxy.Routes;

/// <summary>
/// Checks routes behind the requests that use them, a few at a time. A route that turns out to be gone also loses its open connections: the change that said so
/// may have been missed.
/// </summary>
internal sealed class RouteChecks(RouteResolver resolver, OpenExchanges open, TimeProvider time) : BackgroundService
{
    private const int Workers = 8;

    // A route that finds no room is offered again by its next request.
    private const int Waiting = 10_000;

    private static readonly TimeSpan s_afterFailure = TimeSpan.FromSeconds(1);

    private readonly Channel<RouteEntry> _queue = Channel.CreateBounded<RouteEntry>(Waiting);

    public void Offer(RouteEntry entry)
    {
        if (entry.TryBeginCheck() && !_queue.Writer.TryWrite(entry))
        {
            entry.EndCheck();
        }
    }

    /// <summary>Checks the routes of all open connections: one that is idle isn't "used" again, and may have been revoked unseen.</summary>
    public async Task OfferOpenAsync(CancellationToken cancellationToken)
    {
        foreach (var entry in open.Routes())
        {
            if (entry.TryBeginCheck())
            {
                await _queue.Writer.WriteAsync(entry, cancellationToken);
            }
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
                var answer = await resolver.CheckAsync(entry, cancellationToken);
                if (answer is { Outcome: ResolutionOutcome.Gone })
                {
                    open.CutToken(entry.Route.Backend, entry.TokenHash);
                }

                if (answer is null)
                {
                    // Nobody answered: this worker's next call would most likely fare no better.
                    await Task.Delay(s_afterFailure, time, cancellationToken);
                }

                entry.EndCheck();
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // The proxy stops.
        }
    }
}
