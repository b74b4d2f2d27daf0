using System.Collections.Concurrent;
using System.Globalization;
using Docker.DotNet.Models;
using ContainerState = Docker.DotNet.Models.State;

namespace Plane.DroneHost.Runtimes.Docker;

public sealed partial class DockerRuntime
{
    private static readonly TimeSpan RemovalRetry = TimeSpan.FromMilliseconds(100);

    /// <summary>
    /// How long events up to a moment are waited for. The moment is at most two seconds away, unless the engine's clock was set back: then the engine would answer only when its clock is there
    /// again. Two such waits must fit into the time that a caller gives to make sure that a backend is gone.
    /// </summary>
    private static readonly TimeSpan EventsLimit = TimeSpan.FromSeconds(3);

    /// <summary>How long before an exit a signal may have been sent to have caused it, in nanoseconds: as long as a grace period may be.</summary>
    private const long LongestStop = 600_000_000_000;

    /// <summary>By when after an exit the engine has reported it: then one that it doesn't remember was before its restart.</summary>
    private const long ReportedWithin = 2_000_000_000;

    /// <summary>The same where a signal alone matters, which is reported before the exit.</summary>
    private const long SignalReportedWithin = 100_000_000;

    /// <summary>How many events an engine remembers at most (moby's <c>eventsLimit</c>).</summary>
    private const int RememberedEvents = 256;

    private static readonly ExitCause s_endedByEngine = new(
        TerminationReason.InternalError, TerminationKind.Soft, "The container engine has restarted since it ran, and without live-restore it ends its containers.");

    private static readonly ExitCause s_killedByDrone = new(TerminationReason.InternalError, TerminationKind.Hard, "Its drone killed it.");

    /// <inheritdoc/>
    public async Task<BackendExit> EnsureGoneAsync(BackendIdentity backend, CancellationToken cancellationToken)
    {
        await _starts.SettleAsync(backend, cancellationToken);
        _running.TryRemove(backend, out var own);
        BackendExit? exit = null;
        while (await FindAllAsync(backend, cancellationToken) is { Count: > 0 } containers)
        {
            own ??= Own(backend, containers).ID;
            RuntimeUnavailableException? refused = null;
            foreach (var container in containers)
            {
                try
                {
                    var ended = await EndAsync(backend, container.ID, keep: container.ID == own, cancellationToken);
                    exit = container.ID == own ? ended : exit;
                }
                catch (RuntimeUnavailableException e) when (e.InnerException is DockerErrorException)
                {
                    // One that the engine cannot end keeps no copy of it running.
                    refused ??= e;
                }
            }

            if (refused is not null)
            {
                throw refused;
            }
        }

        return exit ?? _ended.Find(backend) ?? new BackendExit(backend, null, null);
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<BackendIdentity>> EndUnsupervisedAsync(Func<BackendIdentity, bool> isSupervised, CancellationToken cancellationToken)
    {
        var ended = new ConcurrentBag<BackendIdentity>();
        var refused = new ConcurrentBag<RuntimeUnavailableException>();
        var all = await Answered(_docker.ListAsync(new() { ["label"] = [$"{ContainerLabels.Backend}=true"] }, cancellationToken));
        await ForEachAsync(
            all,
            async (container, token) =>
            {
                var instance = container.Labels.ValueOf(ContainerLabels.Drone) ?? "";
                if ((instance != _options.InstanceId && !_options.EarlierInstances.Contains(instance))
                    || ContainerLabels.TryRead(container.Labels, instance) is not { } backend)
                {
                    return;
                }

                // Asked after the listing: what was begun meanwhile is supervised, and what was let go of is gone.
                var supervised = instance == _options.InstanceId && isSupervised(backend);
                if (supervised && (!_running.TryGetValue(backend, out var own) || own == container.ID))
                {
                    return;
                }

                if (_unsupervised.TryAdd(container.ID, 0))
                {
                    LogUnsupervised(container.Names?.FirstOrDefault()?.TrimStart('/') ?? container.ID, backend.Backend.Value, container.State ?? "?");
                }

                try
                {
                    await EndAsync(backend, container.ID, keep: !supervised && instance == _options.InstanceId, token);
                    ended.Add(backend);
                    _unsupervised.TryRemove(container.ID, out _);
                }
                catch (RuntimeUnavailableException e) when (e.InnerException is DockerErrorException)
                {
                    // One that the engine cannot end keeps no other running.
                    refused.Add(e);
                }
            },
            cancellationToken);
        if (refused.TryPeek(out var first))
        {
            throw first;
        }

        return [.. ended];
    }

    /// <summary>Kills a container, keeps what it wrote and how it ended, removes it: in whatever state it is, and again until it is gone.</summary>
    private async Task<BackendExit?> EndAsync(BackendIdentity backend, string id, bool keep, CancellationToken cancellationToken)
    {
        BackendExit? exit = null;
        var killed = false;
        while (await Answered(_docker.InspectAsync(id, cancellationToken)) is { } container)
        {
            if (container.State is { Status: "running" or "paused" } && !killed)
            {
                killed = true;
                await Answered(_docker.SignalAsync(id, "SIGKILL", cancellationToken));
                await KilledAsync(id, cancellationToken);
                continue;
            }

            if (container.State is { Status: "exited" } state)
            {
                // The next agent must not take a kill of ours for an end of its own.
                exit = killed ? ExitOf(backend, state) with { Cause = s_killedByDrone } : await ExitOfAsync(backend, id, state, SignalReportedWithin, cancellationToken);
                if (keep && _ended.Find(backend) is null)
                {
                    await KeepAsync(exit, id, cancellationToken);
                }
            }
            else if (container.State is { Running: true })
            {
                exit = new BackendExit(backend, 128 + ProcessIdentity.Kill, null);
            }
            else
            {
                await KillForgottenAsync(backend, id, cancellationToken);
            }

            await RemoveAsync(id, cancellationToken);
        }

        return exit;
    }

    /// <summary>
    /// Kills what runs in a container that was never started, by the engine's words. An engine that is killed while it starts a container forgets it, and its process runs on.
    /// </summary>
    private async Task KillForgottenAsync(BackendIdentity backend, string id, CancellationToken cancellationToken)
    {
        var isLogged = false;
        while (ProcessIdentity.InCgroupNamed(id) is { Count: > 0 } processes)
        {
            if (!isLogged)
            {
                isLogged = true;
                LogForgotten(id, backend.Backend.Value, processes.Count);
            }

            ProcessIdentity.KillAll(processes);
            await Task.Delay(RemovalRetry, _time, cancellationToken);
        }
    }

    private async Task KeepAsync(BackendExit exit, string id, CancellationToken cancellationToken)
    {
        try
        {
            _ended.Keep(exit, await ReadLastOutputAsync(exit.Backend, id, cancellationToken));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // A full disk must not keep its container startable.
            LogNotKept(exit.Backend.Backend.Value, e.Message);
        }
    }

    private static BackendExit ExitOf(BackendIdentity backend, ContainerState state, bool outOfMemory = false) => new(
        backend,
        (int)state.ExitCode,
        state.OOMKilled || outOfMemory ? "A process of it was killed because its memory limit was reached."
            : RuntimeText.Shown(state.Error) is { Length: > 0 } error ? error
            : null);

    private Task<BackendExit> ExitOfAsync(BackendIdentity backend, string id, ContainerState state, long within, CancellationToken cancellationToken)
    {
        var at = NanosecondsOf(MomentOf(state.FinishedAt));
        return ExplainAsync(ExitOf(backend, state), id, at, at + within, cancellationToken);
    }

    /// <summary>
    /// Adds to an exit what caused it, as far as the engine remembers.
    /// <list type="number">
    /// <item>A signal that ends programs was sent to the container shortly before: an operator's. The drone's own signals are among those: they don't count, because the supervisor had its
    /// reason before it sent one.</item>
    /// <item>Unless the engine has started since the container did, and runs without live-restore: then it ends, by the same signals, what an engine that was killed has left running, before
    /// it serves anybody. It has started since if it does not remember the container's start though it has forgotten nothing.</item>
    /// <item>An engine that remembers no exit has restarted since, and one without live-restore ends its containers when it stops.</item>
    /// </list>
    /// </summary>
    /// <param name="exit">The exit.</param>
    /// <param name="id">The container.</param>
    /// <param name="at">When it ended, by the engine's clock.</param>
    /// <param name="until">Up to when to look: the engine answers once that has passed, and is not waited for longer than <see cref="EventsLimit"/>.</param>
    /// <param name="cancellationToken">Gives it up.</param>
    private async Task<BackendExit> ExplainAsync(BackendExit exit, string id, long at, long until, CancellationToken cancellationToken)
    {
        try
        {
            var remembered = await EventsUntilAsync(new() { ["type"] = ["container"], ["event"] = ["kill", "die", "start"], ["container"] = [id] }, until, cancellationToken);
            foreach (var kill in remembered.Where(e => e.Action == "kill" && e.TimeNano >= at - LongestStop))
            {
                exit = WithSignal(exit, kill.Actor?.Attributes ?? new Dictionary<string, string>());
            }

            var isByEngine = exit.Cause is null
                ? until - at >= ReportedWithin && !remembered.Any(e => e.Action == "die") && exit.ExitCode is 0 or (128 + ProcessIdentity.Kill) or (128 + ProcessIdentity.Terminate)
                : exit.Cause.Reason == TerminationReason.External && !remembered.Any(e => e.Action == "start")
                    && (await EventsUntilAsync([], until, cancellationToken)).Count < RememberedEvents;
            if (isByEngine && !(await _docker.InfoAsync(cancellationToken)).LiveRestoreEnabled)
            {
                exit = exit with { Cause = s_endedByEngine };
            }
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested
            && (DockerConnection.IsTransport(e) || e is DockerErrorException or RuntimeUnavailableException))
        {
            LogCauseNotRead(exit.Backend.Backend.Value, e.Message);
        }

        return exit;
    }

    /// <summary>What the engine remembers up to a moment.</summary>
    private async Task<List<Message>> EventsUntilAsync(Dictionary<string, string[]> filters, long until, CancellationToken cancellationToken)
    {
        var remembered = new List<Message>();
        await using var stream = await _docker.EventsAsync(filters, 1, cancellationToken, until);
        using var limit = new CancellationTokenSource(EventsLimit, _time);
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            await foreach (var message in EngineEvents.ReadAsync(stream, linked.Token))
            {
                remembered.Add(message);
            }
        }
        catch (Exception e) when (limit.IsCancellationRequested && !cancellationToken.IsCancellationRequested && DockerConnection.IsTransport(e))
        {
            // What it remembers it has sent at once; it only waits for more.
            return remembered;
        }

        return remembered;
    }

    private static BackendExit WithSignal(BackendExit exit, IDictionary<string, string> attributes)
    {
        // Hang-up, interrupt, quit, kill, terminate. Any other counts where the exit code says that it was the one.
        int[] ending = [1, 2, 3, ProcessIdentity.Kill, ProcessIdentity.Terminate];
        if (!int.TryParse(attributes.ValueOf("signal"), NumberStyles.None, CultureInfo.InvariantCulture, out var signal)
            || (!ending.Contains(signal) && exit.ExitCode != 128 + signal))
        {
            return exit;
        }

        return exit with
        {
            Cause = new ExitCause(
                TerminationReason.External,
                signal == ProcessIdentity.Kill ? TerminationKind.Hard : TerminationKind.Soft,
                $"Its container was sent signal {signal} through the container engine, and not by this drone (docker stop, restart, kill or rm)."),
        };
    }

    /// <summary>A moment as the engine writes it; the year 1 where it has none.</summary>
    private static DateTimeOffset MomentOf(string? text) =>
        DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var moment) ? moment : default;

    private static long NanosecondsOf(DateTimeOffset moment) => (moment - DateTimeOffset.UnixEpoch).Ticks * 100;

    private async Task RemoveAsync(string id, CancellationToken cancellationToken)
    {
        if (!await Answered(_docker.RemoveAsync(id, cancellationToken)))
        {
            // Somebody else, such as the guard, is removing it: look again until it is gone.
            await Task.Delay(RemovalRetry, _time, cancellationToken);
        }
    }

    private async Task KilledAsync(string id, CancellationToken cancellationToken)
    {
        try
        {
            await Answered(_docker.WaitAsync(id, cancellationToken));
        }
        catch (RuntimeUnavailableException) when (!cancellationToken.IsCancellationRequested)
        {
            // It did not end in time, or the engine is unavailable: the next check shows which.
        }
    }
}
