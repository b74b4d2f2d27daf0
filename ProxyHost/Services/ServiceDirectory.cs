using System.Collections.Concurrent;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using Plane.ProxyHost.Controller;
using Plane.ProxyHost.Signing;

namespace Plane.ProxyHost.Services;

/// <summary>How a look for a service ended.</summary>
internal enum ServiceOutcome
{
    /// <summary>There is one, and its policy is known.</summary>
    Found,

    /// <summary>There is none.</summary>
    None,

    /// <summary>The controller gave no answer in time.</summary>
    Unavailable,
}

/// <summary>The end of a look for a service.</summary>
internal readonly record struct ServiceLookUp(ServiceOutcome Outcome, KnownService? Service = null, ServicePolicy? Policy = null);

/// <summary>
/// Which services there are, and who may enter them. Answers of <see cref="IServiceGrain.ReadAccess"/> and changes of the log arrive on different paths, in any order; their positions in the one
/// log decide:
/// <list type="number">
/// <item>A change makes the policy unknown at once: no request is let in by what may have been revoked. What it is now is read behind it.</item>
/// <item>An answer that was read before a change that has been seen since is not taken.</item>
/// <item>Without a change a policy is good for any time: where no controller answers, services that are known continue. (Their routes are served for <see cref="ProxyOptions.RouteTrust"/>.)</item>
/// </list>
/// There is one lock, for microseconds; what is read by every request is a word of <see cref="KnownService"/>.
/// </summary>
internal sealed partial class ServiceDirectory(ProxyOptions options, IControllerCalls controller, TimeProvider time, ILogger<ServiceDirectory> logger)
{
    // As RouteResolver has them.
    private const int StaleAnswers = 3;
    private static readonly TimeSpan s_answer = TimeSpan.FromSeconds(3);

    // Names that visitors invented, kept for a moment.
    private const int Absent = 10_000;

    // As many names that are not known here as there may be services. A question lasts longer than the visitor who caused it, by far where no controller answers.
    private const int MaxFlights = 1_000;

    private readonly ConcurrentDictionary<string, KnownService> _services = new(StringComparer.Ordinal);
    private readonly BoundedCache<Absence> _absent = new(Absent);
    private readonly Lock _gate = new();

    // Guarded by _gate.
    private readonly Dictionary<string, Flight> _flights = new(StringComparer.Ordinal);
    private LogPosition _floor;

    // A service is in it at most once: only a change that takes its policy away adds it, and it has one again only after it was read.
    private readonly Channel<KnownService> _changed = Channel.CreateUnbounded<KnownService>();

    /// <summary>Services whose policy is to be read again, and whose open requests are to be looked at then.</summary>
    public ChannelReader<KnownService> Changed => _changed.Reader;

    /// <summary>Whether there is such a service, as far as is known here.</summary>
    public bool Knows(ServiceName name) => _services.TryGetValue(name.Value, out var known) && known.Policy is not null;

    /// <summary>Finds a service, here or by the controller.</summary>
    /// <exception cref="OperationCanceledException">The caller left.</exception>
    public ValueTask<ServiceLookUp> FindAsync(ServiceName name, CancellationToken cancellationToken)
    {
        if (_services.TryGetValue(name.Value, out var known) && known.Policy is { } policy)
        {
            return ValueTask.FromResult(new ServiceLookUp(ServiceOutcome.Found, known, policy));
        }

        if (known is null && _absent.TryGet(name.Value, out var absence) && time.GetTimestamp() < absence.Until)
        {
            return ValueTask.FromResult(new ServiceLookUp(ServiceOutcome.None));
        }

        Flight? flight;
        lock (_gate)
        {
            if (!_flights.TryGetValue(name.Value, out flight))
            {
                if (known is null && _flights.Count >= MaxFlights)
                {
                    return ValueTask.FromResult(new ServiceLookUp(ServiceOutcome.Unavailable));
                }

                flight = new Flight();
                _flights.Add(name.Value, flight);
                flight.Task = Task.Run(() => ReadAsync(name, flight), CancellationToken.None);
            }
        }

        return new ValueTask<ServiceLookUp>(flight.Task.WaitAsync(cancellationToken));
    }

    /// <summary>Applies a change of the log.</summary>
    public void Apply(Change change)
    {
        if (change is not { Kind: ChangeKind.Service, Service: { } name })
        {
            return;
        }

        KnownService? known;
        lock (_gate)
        {
            _absent.Remove(name.Value);
            if (_flights.TryGetValue(name.Value, out var flight) && flight.ChangedAt < change.Position)
            {
                flight.ChangedAt = change.Position;
            }

            if (!_services.TryGetValue(name.Value, out known) || !MarkChanged(known, change.Position))
            {
                return;
            }
        }

        _changed.Writer.TryWrite(known);
    }

    /// <summary>Changes may have been missed up to a position: every policy that was read before it is read again.</summary>
    public void MissedUpTo(LogPosition position)
    {
        var changed = new List<KnownService>();
        lock (_gate)
        {
            _floor = position > _floor ? position : _floor;
            foreach (var known in _services.Values)
            {
                if (MarkChanged(known, position))
                {
                    changed.Add(known);
                }
            }
        }

        foreach (var known in changed)
        {
            _changed.Writer.TryWrite(known);
        }
    }

    private static bool MarkChanged(KnownService known, LogPosition position)
    {
        known.ChangedAt = position > known.ChangedAt ? position : known.ChangedAt;
        if (known.Policy is not { } policy || policy.ReadAt >= position)
        {
            return false;
        }

        known.Policy = null;
        return true;
    }

    private async Task<ServiceLookUp> ReadAsync(ServiceName name, Flight flight)
    {
        try
        {
            return await AskAsync(name, flight);
        }
        finally
        {
            lock (_gate)
            {
                _flights.Remove(name.Value);
            }
        }
    }

    private async Task<ServiceLookUp> AskAsync(ServiceName name, Flight flight)
    {
        var backoff = new Backoff(TimeSpan.FromMilliseconds(100), TimeSpan.FromSeconds(1), time);
        var begun = time.GetTimestamp();
        var stale = 0;
        for (var attempt = 0; ; attempt++)
        {
            var left = options.UnknownRouteWait - time.GetElapsedTime(begun);
            if (left <= TimeSpan.Zero)
            {
                return new ServiceLookUp(ServiceOutcome.Unavailable);
            }

            ServiceAccessInfo? info;
            using var limit = new CancellationTokenSource(s_answer < left ? s_answer : left, time);
            try
            {
                info = await controller.ReadAccessAsync(name, attempt, limit.Token).WaitAsync(limit.Token);
            }
            catch (Exception e)
            {
                // Whatever the failure, there was no answer; the next attempt may go another way.
                LogReadFailed(CallFailed.Reason(e), name.Value);
                await backoff.WaitAsync(CancellationToken.None);
                continue;
            }

            if (Take(name, info, flight) is { } taken)
            {
                return taken;
            }

            if (++stale == StaleAnswers)
            {
                LogStale(name.Value);
                return new ServiceLookUp(ServiceOutcome.Unavailable);
            }

            await backoff.WaitAsync(CancellationToken.None);
        }
    }

    private ServiceLookUp? Take(ServiceName name, ServiceAccessInfo? info, Flight flight)
    {
        lock (_gate)
        {
            if (info is null)
            {
                // It has no position: read before a change of this moment, perhaps the one that made the service.
                if (flight.ChangedAt > flight.AbsentAt)
                {
                    flight.AbsentAt = flight.ChangedAt;
                    return null;
                }

                if (_services.TryRemove(name.Value, out var gone))
                {
                    gone.Policy = null;
                }

                var until = time.GetTimestamp() + (long)(options.NegativeAnswer.TotalSeconds * time.TimestampFrequency);
                _absent.Set(name.Value, new Absence(until));
                return new ServiceLookUp(ServiceOutcome.None);
            }

            _services.TryGetValue(name.Value, out var known);
            if (info.ReadAt < flight.ChangedAt || info.ReadAt < _floor || (known is not null && info.ReadAt < known.ChangedAt))
            {
                return null;
            }

            known ??= _services[name.Value] = new KnownService(name);
            known.LastKeys = VerificationKeys.From(info.SigningKeys, known.LastKeys, key => LogUnusableKey(key.Kid, name.Value));
            var policy = new ServicePolicy(info, known.LastKeys);
            known.Policy = policy;
            return new ServiceLookUp(ServiceOutcome.Found, known, policy);
        }
    }

    [LoggerMessage(EventIds.ServiceReadFailed, LogLevel.Information, "The access rules of service {Service} could not be read from a controller: {Error}")]
    private partial void LogReadFailed(string error, string service);

    [LoggerMessage(EventIds.ServiceStale, LogLevel.Warning, "The controller returned outdated data for service {Service}. The proxy does not use it")]
    private partial void LogStale(string service);

    [LoggerMessage(EventIds.ServiceUnusableKey, LogLevel.Warning, "The key {Kid} of service {Service} can't be used: tokens by it are refused")]
    private partial void LogUnusableKey(string kid, string service);

    /// <summary>A running question; its positions are guarded by the lock.</summary>
    private sealed class Flight
    {
        public Task<ServiceLookUp> Task { get; set; } = null!;

        public LogPosition ChangedAt { get; set; }

        /// <summary>The last change that was seen when the service was said to be absent.</summary>
        public LogPosition AbsentAt { get; set; }
    }

    private sealed record Absence(long Until);
}
