using System.Globalization;
using System.Runtime.CompilerServices;
using System.Threading.Channels;
using ContainerState = Docker.DotNet.Models.State;

namespace Plane.DroneHost.Runtimes.Docker;

public sealed partial class DockerRuntime
{
    private static readonly TimeSpan FirstRetry = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan LastRetry = TimeSpan.FromMilliseconds(800);

    // Ends, and every event that may make an unsupervised container run, or run under another name.
    private static readonly string[] s_events = ["die", "oom", "start", "restart", "unpause", "rename", "update"];

    /// <inheritdoc/>
    public async IAsyncEnumerable<BackendExit> WatchExitsAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var exits = Channel.CreateBounded<BackendExit>(new BoundedChannelOptions(1024) { SingleReader = true, SingleWriter = true });
        using var cancel = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var watching = WatchAsync(exits.Writer, cancel.Token);
        try
        {
            await foreach (var exit in exits.Reader.ReadAllAsync(cancellationToken))
            {
                yield return exit;
            }
        }
        finally
        {
            await cancel.CancelAsync();
            await watching;
        }
    }

    /// <summary>
    /// (1) The stream is opened, from the last event on; (2) containers are listed, so that what happened while there was no stream is seen; (3) events are read,
    /// with a listing now and then; (4) when the stream breaks, again from (1), within a second.
    /// </summary>
    private async Task WatchAsync(ChannelWriter<BackendExit> exits, CancellationToken cancellationToken)
    {
        var watch = new Watch(exits, _time);
        var retry = FirstRetry;
        Exception? failure = null;
        try
        {
            while (true)
            {
                try
                {
                    await using var stream = await _docker.EventsAsync(
                        new() { ["type"] = ["container"], ["event"] = s_events, ["label"] = [$"{ContainerLabels.Backend}=true"] }, watch.Since, cancellationToken);
                    await ResyncAsync(watch, cancellationToken);
                    if (failure is not null)
                    {
                        LogEventsBack();
                    }

                    (failure, retry) = (null, FirstRetry);
                    await ReadEventsAsync(stream, watch, cancellationToken);
                }
                catch (Exception e) when (!cancellationToken.IsCancellationRequested
                    && (DockerConnection.IsTransport(e) || e is RuntimeUnavailableException or DockerErrorException))
                {
                    if (failure is null)
                    {
                        LogEventsBroken(e.Message);
                    }

                    failure = e;
                }

                await Task.Delay(retry, _time, cancellationToken);
                retry = retry * 2 < LastRetry ? retry * 2 : LastRetry;
            }
        }
        catch (Exception e) when (cancellationToken.IsCancellationRequested && (DockerConnection.IsTransport(e) || e is ObjectDisposedException))
        {
            // The reader has left.
            exits.TryComplete();
        }
        catch (Exception e)
        {
            // Anything else is a defect: it ends the enumeration with it, instead of a silence in which no exit is noticed.
            exits.TryComplete(e);
        }
    }

    private async Task ReadEventsAsync(Stream stream, Watch watch, CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using var resync = new PeriodicTimer(_options.ResyncEvery, _time);
        await using var events = EngineEvents.ReadAsync(stream, stop.Token).GetAsyncEnumerator(stop.Token);
        var due = resync.WaitForNextTickAsync(stop.Token).AsTask();
        var reading = events.MoveNextAsync().AsTask();
        try
        {
            while (true)
            {
                if (await Task.WhenAny(reading, due) == due)
                {
                    await due;
                    await ResyncAsync(watch, cancellationToken);
                    due = resync.WaitForNextTickAsync(stop.Token).AsTask();
                    continue;
                }

                if (!await reading)
                {
                    return;
                }

                if (events.Current is { Actor: { ID.Length: > 0 } actor } happened)
                {
                    watch.Since = Math.Max(watch.Since ?? 0, happened.TimeNano ?? 0);
                    await OnEventAsync(watch, happened.Action, actor.ID, actor.Attributes, happened.TimeNano ?? 0, cancellationToken);
                }

                reading = events.MoveNextAsync().AsTask();
            }
        }
        finally
        {
            // What is pending ends before the stream does, and its failure is known already or is of no interest.
            await stop.CancelAsync();
            await Task.WhenAll((Task[])[reading, due]).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task OnEventAsync(Watch watch, string? action, string id, IDictionary<string, string>? attributes, long at, CancellationToken cancellationToken)
    {
        if (ContainerLabels.TryRead(attributes, _options.InstanceId) is not { } backend)
        {
            if (_options.EarlierInstances.Contains(attributes.ValueOf(ContainerLabels.Drone) ?? ""))
            {
                StartedElsewhere?.Invoke();
            }

            return;
        }

        var isOwn = _running.TryGetValue(backend, out var own) ? own == id : _starts.Contains(backend);
        switch (action)
        {
            case "oom":
                watch.OutOfMemory.Add(id);
                break;
            case "die" when isOwn || own is null:
                await OnDiedAsync(watch, id, backend, attributes, at, cancellationToken);
                break;
            case not "die" when !isOwn:
                StartedElsewhere?.Invoke();
                break;
        }
    }

    private async Task OnDiedAsync(Watch watch, string id, BackendIdentity backend, IDictionary<string, string>? attributes, long at, CancellationToken cancellationToken)
    {
        int? code = int.TryParse(attributes.ValueOf("exitCode"), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) ? number : null;
        var exit = new BackendExit(backend, code, null);
        var outOfMemory = watch.OutOfMemory.Remove(id);
        if (code is not 0)
        {
            // The event doesn't say why.
            exit = await TryInspectAsync(id, watch.NotInspected, cancellationToken) is { State: { Running: false } state }
                ? ExitOf(backend, state, outOfMemory)
                : ExitOf(backend, new ContainerState(), outOfMemory) with { ExitCode = null };
            exit = exit with { ExitCode = code ?? exit.ExitCode };
        }

        await ReportAsync(watch, await ExplainAsync(exit, id, at, at, cancellationToken), cancellationToken);
    }

    /// <summary>Reports what has ended and was not reported, those included whose container is gone.</summary>
    private async Task ResyncAsync(Watch watch, CancellationToken cancellationToken)
    {
        // Read before the listing: what is started after it is not missed in it.
        var known = _running.ToArray();
        var listed = await ListOursAsync(cancellationToken);
        var standing = listed.GroupBy(c => c.Backend).ToDictionary(g => g.Key, g => Own(g.Key, g.Select(c => c.Container)));
        foreach (var (backend, container) in standing)
        {
            if (container.State is "exited" or "dead" && !watch.Reported.Contains(backend)
                && await TryInspectAsync(container.ID, watch.NotInspected, cancellationToken) is { State: { Running: false } state })
            {
                await ReportAsync(watch, await ExitOfAsync(backend, container.ID, state, ReportedWithin, cancellationToken), cancellationToken);
            }
        }

        foreach (var (backend, id) in known)
        {
            if (!standing.ContainsKey(backend) && _running.ContainsKey(backend))
            {
                var now = NanosecondsOf(_time.GetUtcNow());
                var gone = new BackendExit(backend, null, null)
                {
                    Cause = new ExitCause(TerminationReason.InternalError, TerminationKind.Hard, "Its container is gone, and was not removed by this drone."),
                };
                await ReportAsync(watch, await ExplainAsync(gone, id, now, now, cancellationToken), cancellationToken);
            }
        }

        watch.Reported.IntersectWith(standing.Keys);
        watch.OutOfMemory.IntersectWith(listed.Select(c => c.Container.ID));
    }

    private async Task ReportAsync(Watch watch, BackendExit exit, CancellationToken cancellationToken)
    {
        _running.TryRemove(exit.Backend, out _);
        watch.Reported.Add(exit.Backend);
        await watch.Exits.WriteAsync(exit, cancellationToken);
    }

    /// <summary>What one watching remembers; its loop alone touches it.</summary>
    private sealed class Watch(ChannelWriter<BackendExit> exits, TimeProvider time)
    {
        public ChannelWriter<BackendExit> Exits { get; } = exits;

        /// <summary>The last event's moment, by the engine's clock.</summary>
        public long? Since { get; set; }

        /// <summary>What was reported and still is there, so that a listing doesn't report it each time.</summary>
        public HashSet<BackendIdentity> Reported { get; } = [];

        /// <summary>Of containers over which the engine fails at each listing.</summary>
        public Outage NotInspected { get; } = new(time);

        /// <summary>Containers that a memory limit hit, until they end.</summary>
        public HashSet<string> OutOfMemory { get; } = [];
    }
}
