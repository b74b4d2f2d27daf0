using Microsoft.Extensions.Logging;
using Plane.ProxyHost.Controller;

namespace Plane.ProxyHost.Routes;

/// <summary>
/// Asks the controller for routes: one look-up for all concurrent requests of a token, however long its backend takes to start. A look-up ends when its last
/// request has left.
/// </summary>
internal sealed partial class RouteResolver(
    ProxyOptions options,
    RouteCache cache,
    NegativeAnswers negative,
    IControllerCalls controller,
    ProxyMetrics metrics,
    ILeaseClock clock,
    TimeProvider time,
    ILogger<RouteResolver> logger)
{
    // An answer that a change overtook is asked for again; the next one is read after that change. More than a few in a row is a fault of the controller.
    private const int StaleAnswers = 3;

    // A controller that says "starting" without waiting must not be asked in a tight loop.
    private static readonly TimeSpan s_pace = TimeSpan.FromMilliseconds(100);

    // A call over a gateway that dies with it, or is stopped, gets no answer, and its own time-out is all the time that a request has. Longer than that a controller needs for a
    // look at the database, or it would be asked more the slower it is.
    private static readonly TimeSpan s_answer = TimeSpan.FromSeconds(3);

    private readonly ClusterName _cluster = ClusterName.Parse(options.Cluster);
    private readonly Dictionary<string, LookUp> _lookUps = new(StringComparer.Ordinal);

    /// <summary>Resolves a token, past the cache of routes.</summary>
    /// <param name="token">The token.</param>
    /// <param name="fresh">Whether also past the cache of negative answers.</param>
    /// <param name="cancellationToken">Ends this caller's wait; the look-up continues for the others.</param>
    /// <exception cref="OperationCanceledException">The caller left.</exception>
    public async Task<Resolution> ResolveAsync(BearerToken token, bool fresh, CancellationToken cancellationToken)
    {
        if (!fresh && negative.Find(token.Value) is { } known)
        {
            return known;
        }

        LookUp lookUp;
        lock (_lookUps)
        {
            if (!_lookUps.TryGetValue(token.Value, out lookUp!))
            {
                lookUp = new LookUp();
                lookUp.Task = Task.Run(() => RunAsync(token, lookUp), CancellationToken.None);
                _lookUps.Add(token.Value, lookUp);
            }

            lookUp.Waiters++;
        }

        try
        {
            return await lookUp.Task.WaitAsync(cancellationToken);
        }
        finally
        {
            bool wasLast;
            lock (_lookUps)
            {
                wasLast = --lookUp.Waiters == 0;
                if (wasLast)
                {
                    Close(token, lookUp);
                }
            }

            // Outside the lock, which every look-up takes: a cancellation runs what the cluster client has registered. No request joins the look-up any more.
            if (wasLast)
            {
                await lookUp.Cancel.CancelAsync();
            }
        }
    }

    /// <summary>Asks once, without waiting for a backend to start, and brings the cache up to date.</summary>
    /// <returns>The answer; null where the controller gave none.</returns>
    public async Task<Resolution?> CheckAsync(RouteEntry entry, int attempt, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(s_answer, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            var reply = await controller.ResolveAsync(entry.Token, entry.TokenHash, attempt, TimeSpan.Zero, both.Token).WaitAsync(both.Token);
            return Admit(entry.Token, entry.TokenHash, reply);
        }
        catch (Exception e)
        {
            // A call that failed as the proxy stops was cut off, like any other.
            cancellationToken.ThrowIfCancellationRequested();
            LogCheckFailed(CallFailed.Reason(e), entry.Backend);
            return null;
        }
    }

    private async Task<Resolution> RunAsync(BearerToken token, LookUp lookUp)
    {
        var started = time.GetTimestamp();
        try
        {
            return await AskAsync(token, lookUp.Cancel.Token);
        }
        catch (Exception) when (lookUp.Cancel.IsCancellationRequested)
        {
            // No caller waits any more, so it does not matter which failure came first: the cancellation or the call's own.
            return Resolution.Unavailable;
        }
        finally
        {
            metrics.Resolved(time.GetElapsedTime(started));
            lock (_lookUps)
            {
                Close(token, lookUp);
            }
        }
    }

    private async Task<Resolution> AskAsync(BearerToken token, CancellationToken cancellationToken)
    {
        var hash = token.Hash();
        var backoff = new Backoff(TimeSpan.FromMilliseconds(100), TimeSpan.FromSeconds(1), time);
        var lastAnswer = time.GetTimestamp();
        var stale = 0;

        // The first question is for the present state; only what is known to be starting is waited for.
        var isStarting = false;
        for (var attempt = 0; ; attempt++)
        {
            var left = options.UnknownRouteWait - time.GetElapsedTime(lastAnswer);
            if (left <= TimeSpan.Zero)
            {
                return Resolution.Unavailable;
            }

            var asked = time.GetTimestamp();
            var reply = await TryCallAsync(token, hash, attempt, isStarting, left, cancellationToken);
            if (reply is null)
            {
                var pause = backoff.Next();
                await Task.Delay(pause < left ? pause : left, time, cancellationToken);
                continue;
            }

            backoff.Reset();
            lastAnswer = time.GetTimestamp();
            if (reply.Outcome == RouteOutcome.Starting)
            {
                var early = s_pace - time.GetElapsedTime(asked);
                if (isStarting && early > TimeSpan.Zero)
                {
                    await Task.Delay(early, time, cancellationToken);
                }

                isStarting = true;
            }
            else if (Admit(token, hash, reply) is { } resolution)
            {
                return resolution;
            }
            else if (++stale == StaleAnswers)
            {
                LogStaleAnswers(reply.Route?.Backend.Backend.Value ?? "");
                return Resolution.Unavailable;
            }
        }
    }

    private async Task<RouteReply?> TryCallAsync(BearerToken token, string hash, int attempt, bool waits, TimeSpan left, CancellationToken cancellationToken)
    {
        // The call must be over when the wait for an unavailable controller is over, however long the call's own time-out is; and before that, so that there is another.
        var wait = !waits ? TimeSpan.Zero : options.ControllerWait < left / 3 ? options.ControllerWait : left / 3;
        using var limit = new CancellationTokenSource(wait + s_answer < left ? wait + s_answer : left, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            return await controller.ResolveAsync(token, hash, attempt, wait, both.Token).WaitAsync(both.Token);
        }
        catch (Exception e)
        {
            cancellationToken.ThrowIfCancellationRequested();
            LogResolveFailed(CallFailed.Reason(e));
            return null;
        }
    }

    private Resolution? Admit(BearerToken token, string hash, RouteReply reply)
    {
        if (reply.Outcome == RouteOutcome.Starting)
        {
            return null;
        }

        // A token of another cluster is none of this proxy's.
        if (reply.Outcome == RouteOutcome.Gone || reply.Route is not { } route || route.Cluster != _cluster)
        {
            cache.Forget(hash);
            var gone = reply.NeverReady ? Resolution.NeverReady(reply.Reason) : Resolution.Gone;
            negative.Add(token.Value, gone);
            return gone;
        }

        if (RouteEntry.From(token, hash, route, reply.ReadAt, clock.Milliseconds) is not { } entry)
        {
            LogBadAddress(route.Backend.Backend.Value, route.Address);
            return Resolution.Unavailable;
        }

        return cache.Admit(entry) is { } admitted ? new Resolution(ResolutionOutcome.Found, admitted) : null;
    }

    private void Close(BearerToken token, LookUp lookUp)
    {
        if (_lookUps.TryGetValue(token.Value, out var current) && current == lookUp)
        {
            _lookUps.Remove(token.Value);
        }
    }

    [LoggerMessage(EventIds.RouteResolverResolveFailed, LogLevel.Information, "No controller answered a route look-up: {Error}")]
    private partial void LogResolveFailed(string error);

    [LoggerMessage(EventIds.RouteResolverCheckFailed, LogLevel.Information, "The route of backend {Backend} could not be checked: {Error}")]
    private partial void LogCheckFailed(string error, string backend);

    [LoggerMessage(EventIds.RouteResolverStaleAnswers, LogLevel.Warning, "The controller returned outdated data for backend {Backend}. The proxy does not use it")]
    private partial void LogStaleAnswers(string backend);

    [LoggerMessage(EventIds.RouteResolverBadAddress, LogLevel.Error, "Backend {Backend} has the address {Address}, which is not an IP:port")]
    private partial void LogBadAddress(string backend, string address);

    /// <summary>One running look-up; its count is guarded by the dictionary's lock.</summary>
    private sealed class LookUp
    {
        public Task<Resolution> Task { get; set; } = null!;

        public int Waiters { get; set; }

        public CancellationTokenSource Cancel { get; } = new();
    }
}
