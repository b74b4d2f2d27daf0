using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging;
using Plane.Storage;

namespace Plane.Silo.Http.Logs;

/// <summary>Which lines of a backend's output are wanted.</summary>
internal sealed record LogQuery
{
    /// <summary>How many of the last lines.</summary>
    public int Tail { get; init; } = 100;

    /// <summary>Only lines written at this time or later.</summary>
    public DateTimeOffset? Since { get; init; }

    /// <summary>Only lines of this stream.</summary>
    public OutputStream? Stream { get; init; }

    /// <summary>Only lines after this position; <see cref="Tail"/> is not looked at.</summary>
    public long? After { get; init; }

    /// <summary>Whether to continue until the backend has ended.</summary>
    public bool Follow { get; init; }
}

/// <summary>Lines of backends' outputs, for the HTTP API and the dashboard.</summary>
internal sealed class BackendLogs(DroneOutput drones, IBackendStore store, TimeProvider time, ILogger<BackendLogs> logger) : IAsyncDisposable
{
    private const int BatchCharacters = 64 * 1024;

    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(12);

    private readonly Dictionary<BackendIdentity, OutputRelay> _relays = [];
    private readonly Lock _gate = new();

    /// <summary>The last lines, or those after a position.</summary>
    /// <returns>The lines, null where the drone has no output of the backend; and the position to follow from.</returns>
    /// <exception cref="OutputUnavailableException">The drone does not answer.</exception>
    public async Task<(OutputLine[]? Lines, long Position)> ReadAsync(BackendDetails backend, LogQuery query, CancellationToken cancellationToken)
    {
        if (query.After is { } after)
        {
            // Read with what follows.
            return ([], after);
        }

        var begun = time.GetTimestamp();
        var backoff = new Backoff(TimeSpan.FromMilliseconds(100), TimeSpan.FromSeconds(1), time);
        while (true)
        {
            try
            {
                var page = await drones.ReadAsync(
                    backend, r => r with { Tail = query.Tail, Since = query.Since, Stream = query.Stream }, cancellationToken);
                return (page.IsKnown ? page.Lines : null, page.Cursor.Position);
            }
            catch (OutputUnavailableException e) when (!e.IsFinal && time.GetElapsedTime(begun) < s_patience)
            {
                // An agent that has just restarted, or a gateway that has just been lost: another way is found within seconds.
                await backoff.WaitAsync(cancellationToken);
            }
        }
    }

    /// <summary>Lines after a position until the output ends, as they come.</summary>
    /// <exception cref="OutputUnavailableException">The drone is gone for good, before the output's end was read.</exception>
    public async IAsyncEnumerable<OutputLine[]> FollowAsync(
        BackendDetails backend, LogQuery query, long after, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var identity = backend.AsStarted;
        var relay = Join(identity, backend, after, isResumed: query.After is not null);
        try
        {
            var number = relay.Ring.NumberAt(after);
            var dropped = number is null ? -1L : 0;
            var at = number ?? relay.Ring.Oldest;
            while (true)
            {
                var batch = relay.Ring.Read(at, BatchCharacters, out var changed);
                at = batch.Sequence;
                var wanted = Select(Array.FindAll(batch.Lines, l => l.Position > after), query, ref dropped);
                if (wanted.Length > 0)
                {
                    yield return wanted;
                }

                if (batch.IsComplete)
                {
                    if (relay.Problem is { } problem)
                    {
                        throw new OutputUnavailableException(problem);
                    }

                    yield break;
                }

                if (batch.Lines.Length == 0)
                {
                    await changed.WaitAsync(cancellationToken);
                }
            }
        }
        finally
        {
            await LeaveAsync(identity, relay);
        }
    }

    public async ValueTask DisposeAsync()
    {
        OutputRelay[] relays;
        lock (_gate)
        {
            relays = [.. _relays.Values];
            _relays.Clear();
        }

        foreach (var relay in relays)
        {
            await relay.DisposeAsync();
        }
    }

    private static OutputLine[] Select(OutputLine[] lines, LogQuery query, ref long dropped)
    {
        var wanted = new List<OutputLine>(lines.Length);
        foreach (var line in lines)
        {
            dropped = OutputLine.AddDropped(dropped, line.Dropped);
            if ((query.Stream is { } stream && line.Stream != stream) || (query.Since is { } since && line.Time < since))
            {
                continue;
            }

            wanted.Add(dropped == line.Dropped ? line : line with { Dropped = dropped });
            dropped = 0;
        }

        return [.. wanted];
    }

    // One that continues after an interruption gets all lines, by a relay of its own where the one that is there has begun later. One that has just read the last lines of a flood takes what there is.
    private OutputRelay Join(BackendIdentity identity, BackendDetails backend, long after, bool isResumed)
    {
        lock (_gate)
        {
            if (!_relays.TryGetValue(identity, out var relay) || (isResumed && relay.Ring.NumberAt(after) is null))
            {
                relay = new OutputRelay(drones, store, backend, after, time, logger);
                _relays.TryAdd(identity, relay);
            }

            relay.Followers++;
            return relay;
        }
    }

    private async Task LeaveAsync(BackendIdentity identity, OutputRelay relay)
    {
        lock (_gate)
        {
            if (--relay.Followers > 0)
            {
                return;
            }

            // Another may have begun since: then this one was taken out before.
            if (_relays.TryGetValue(identity, out var current) && current == relay)
            {
                _relays.Remove(identity);
            }
        }

        await relay.DisposeAsync();
    }
}
