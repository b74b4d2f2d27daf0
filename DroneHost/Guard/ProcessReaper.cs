using Microsoft.Extensions.Logging;
using Plane.DroneHost.Runtimes;
using Plane.DroneHost.Runtimes.Docker;
using Plane.DroneHost.Runtimes.Process;

namespace Plane.DroneHost.Guard;

/// <summary>
/// Ends one backend: by its runtime, and where that doesn't answer, by its process. Every call may be repeated; none starts anything.
/// </summary>
internal sealed partial class ProcessReaper(GuardOptions options, ILeaseClock clock, TimeProvider time, ILogger<ProcessReaper> logger) : IDisposable
{
    /// <summary>So many calls at once: more would only queue in the engine.</summary>
    private const int MaxCalls = 32;

    private readonly DockerCalls? _docker =
        options.Runtime == "process" ? null : new DockerCalls(new DockerRuntimeOptions { Host = options.DockerHost }, time);

    private readonly SemaphoreSlim _calls = new(MaxCalls);

    // Of what has no lease: it waits longer for an answer, and keeps nothing that is past its deadline waiting.
    private readonly SemaphoreSlim _removals = new(MaxCalls);

    // Of processes without a lease, which are killed every second for as long as they hang in the kernel. The loop that lists processes alone has it.
    private readonly Outage _kills = new(time);

    /// <summary>Ends it.</summary>
    /// <param name="backend">The backend.</param>
    /// <param name="lease">Its lease, or null where that can't be read: then its name is all there is to go by.</param>
    /// <param name="instances">The instances whose containers may be touched; empty where that isn't known.</param>
    /// <param name="outage">What was logged of this backend: the caller repeats this several times a second.</param>
    /// <param name="cancellationToken">The guard stops.</param>
    /// <returns>Whether it was gone before this call, and its runtime has said so.</returns>
    public async Task<bool> EndAsync(BackendIdentity backend, LeaseFile? lease, IReadOnlySet<string> instances, Outage outage, CancellationToken cancellationToken)
    {
        var gone = true;
        if (lease is null or { Runtime: GuardTarget.Docker })
        {
            gone = await EndContainerAsync(backend, lease, instances, outage, cancellationToken);
        }

        if (lease is { Runtime: GuardTarget.Processes, Name: { } directory })
        {
            gone = EndProcesses(new BackendFiles(Path.GetDirectoryName(directory)!, backend), outage);
        }

        // The process that the start reported, whatever the runtime says: an engine that lost its state says that there is nothing.
        return !KillRecorded(backend, lease, lookAround: !gone, outage) && gone;
    }

    /// <summary>Containers that run and are of one of these instances.</summary>
    public async Task<IReadOnlyList<RunningBackend>> RunningContainersAsync(IReadOnlySet<string> instances, CancellationToken cancellationToken)
    {
        if (_docker is null || instances.Count == 0)
        {
            return [];
        }

        var all = await _docker.ListAsync(
            new() { ["label"] = [$"{ContainerLabels.Backend}=true"], ["status"] = ["running", "paused", "restarting"] }, cancellationToken);
        return
        [
            .. all.Select(c => (Owner: c.Labels.ValueOf(ContainerLabels.Drone) ?? "", Container: c))
                .Where(c => instances.Contains(c.Owner))
                .Select(c => (Backend: ContainerLabels.TryRead(c.Container.Labels, c.Owner), c.Container.ID))
                .Where(c => c.Backend is not null)
                .Select(c => new RunningBackend(c.Backend!.Value, c.ID, token => RemoveAsync(_docker, c.Backend!.Value, c.ID, token))),
        ];
    }

    /// <summary>Backends that have living processes in one of these places.</summary>
    public IReadOnlyList<RunningBackend> RunningProcesses(IEnumerable<string> places, Func<BackendIdentity, bool> isOfInterest)
    {
        var found = ProcessPlaces.Find(places, isOfInterest, clock.BootId);
        if (found.Count == 0)
        {
            _kills.End();
        }

        return [.. found.Select(p => new RunningBackend(p.Backend, p.Files?.Directory ?? p.Cgroup!, _ => KillAsync(p)))];
    }

    public void Dispose()
    {
        _docker?.Dispose();
        _calls.Dispose();
        _removals.Dispose();
    }

    private async Task<bool> EndContainerAsync(
        BackendIdentity backend, LeaseFile? lease, IReadOnlySet<string> instances, Outage outage, CancellationToken cancellationToken)
    {
        if (_docker is null)
        {
            // Where a lease can't be read and only processes run, there is no container to ask for.
            return lease is null;
        }

        try
        {
            var confirm = TimeSpan.FromMilliseconds(Math.Clamp(lease?.ConfirmMilliseconds ?? 2_000, 50, 2_000));
            var (gone, areOthers) = await TimeLimit.WithinAsync(c => RemoveAsync(_docker, backend, lease, instances, c), confirm, time, cancellationToken);
            if (areOthers && outage.ShouldLog("another drone's"))
            {
                LogNotOurs(backend.Backend);
            }

            return gone;
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested && e is RuntimeUnavailableException or DockerErrorException or TimeoutException)
        {
            if (outage.ShouldLog(e.Message))
            {
                LogNoAnswer(backend.Backend, e.Message);
            }

            return false;
        }
    }

    private async Task<(bool Gone, bool AreOthers)> RemoveAsync(
        DockerCalls docker, BackendIdentity backend, LeaseFile? lease, IReadOnlySet<string> instances, CancellationToken cancellationToken)
    {
        await _calls.WaitAsync(cancellationToken);
        try
        {
            // By its labels: its name may have been changed, and copies of it have another. Its own only: of this acquisition, and of an instance that supervises backends here.
            var labels = ContainerLabels.Filter(backend);
            var all = await docker.ListAsync(new() { ["label"] = labels }, cancellationToken);
            var own = all.Where(c => c.Labels.ValueOf(ContainerLabels.Drone) is { } owner
                && (lease is not null ? owner == lease.Instance : instances.Count == 0 || instances.Contains(owner))).ToList();
            DockerErrorException? refused = null;
            foreach (var container in own)
            {
                try
                {
                    // By its id: whatever state it is in. One that is created under the name later finds the mark.
                    if (await docker.RemoveAsync(container.ID, cancellationToken))
                    {
                        LogRemoved(backend.Backend, container.State ?? "?");
                    }
                }
                catch (DockerErrorException e)
                {
                    // One that the engine cannot remove keeps no copy of it running.
                    refused ??= e;
                }
            }

            return refused is null ? (own.Count == 0, own.Count < all.Count) : throw refused;
        }
        finally
        {
            _calls.Release();
        }
    }

    private async Task RemoveAsync(DockerCalls docker, BackendIdentity backend, string container, CancellationToken cancellationToken)
    {
        await _removals.WaitAsync(cancellationToken);
        try
        {
            if (await docker.RemoveAsync(container, cancellationToken))
            {
                LogUnsupervised(backend.Backend, container);
            }
        }
        finally
        {
            _removals.Release();
        }
    }

    private Task KillAsync(RunningProcesses processes)
    {
        var found = processes.Kill();
        if (found > 0 && _kills.ShouldLog($"{processes.Backend.Backend}: {found}"))
        {
            LogUnsupervisedProcesses(processes.Backend.Backend, found);
        }

        return Task.CompletedTask;
    }

    private bool EndProcesses(BackendFiles files, Outage outage)
    {
        var found = 0;
        foreach (var each in (BackendFiles[])[files, files.Aside])
        {
            // "gone" is the agent's word that nothing of it runs.
            if (each.Exists && !each.IsGone && each.ReadSpec() is { } spec && spec.BootId == clock.BootId)
            {
                var alive = ProcessRuntime.KillOnce(each, spec);
                found += alive;
                if (alive == 0 && spec.Cgroup is { } cgroup)
                {
                    Cgroups.Remove(cgroup);
                }
            }
        }

        LogKilled(files.Backend, found, outage);

        return found == 0;
    }

    /// <summary>Kills the process that the lease names, where it runs. Numbers of another boot name somebody else's.</summary>
    private bool KillRecorded(BackendIdentity backend, LeaseFile? lease, bool lookAround, Outage outage)
    {
        if (lease is not null && lease.Boot != clock.BootId)
        {
            return false;
        }

        var found = 0;
        if (lease?.Process() is { } process)
        {
            found = process.KillSession();
        }
        else if (lease is null || (lookAround && lease.Runtime == GuardTarget.Docker))
        {
            // Started, and the agent died or was stopped before it could record as what: a backend's processes carry its own environment.
            found = ProcessIdentity.KillAll(ProcessIdentity.WithEnvironmentOf(backend));
        }

        LogKilled(backend, found, outage);
        return found > 0;
    }

    /// <summary>Processes that hang in the kernel are killed again and again.</summary>
    private void LogKilled(BackendIdentity backend, int found, Outage outage)
    {
        if (found > 0 && outage.ShouldLog($"{found} processes"))
        {
            LogKilled(backend.Backend, found);
        }
    }

    [LoggerMessage(EventIds.ProcessReaperNoAnswer, LogLevel.Warning, "{Backend}: the container engine does not confirm its end: {Reason}")]
    private partial void LogNoAnswer(BackendName backend, string reason);

    [LoggerMessage(EventIds.ProcessReaperNotOurs, LogLevel.Warning, "{Backend}: a container with its labels belongs to another drone and is ignored")]
    private partial void LogNotOurs(BackendName backend);

    [LoggerMessage(EventIds.ProcessReaperUnsupervised, LogLevel.Warning, "{Backend}: container {Container} ran without a valid lease and was removed")]
    private partial void LogUnsupervised(BackendName backend, string container);

    [LoggerMessage(EventIds.ProcessReaperUnsupervisedProcesses, LogLevel.Warning, "{Backend}: {Count} of its processes ran without a valid lease and were killed")]
    private partial void LogUnsupervisedProcesses(BackendName backend, int count);

    [LoggerMessage(EventIds.ProcessReaperRemoved, LogLevel.Warning, "{Backend}: its container ({State}) was removed")]
    private partial void LogRemoved(BackendName backend, string state);

    [LoggerMessage(EventIds.ProcessReaperKilled, LogLevel.Warning, "{Backend}: {Count} processes were killed")]
    private partial void LogKilled(BackendName backend, int count);
}
