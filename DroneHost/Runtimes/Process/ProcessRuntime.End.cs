using System.Collections.Concurrent;

namespace Plane.DroneHost.Runtimes.Process;

// How a backend is stopped, killed, and made sure to be gone.
public sealed partial class ProcessRuntime
{
    /// <inheritdoc/>
    public Task SignalStopAsync(BackendIdentity backend, CancellationToken cancellationToken)
    {
        // To the command alone, as a container's init passes it on to its child alone.
        var files = FilesOf(backend);
        if (IsOfThisBoot(files) && !files.IsGone)
        {
            files.Child?.TrySignal(ProcessIdentity.Terminate);
        }

        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public Task KillAsync(BackendIdentity backend, CancellationToken cancellationToken)
    {
        var files = FilesOf(backend);
        if (files.Exists && !files.IsGone && files.ReadSpec() is { } spec && spec.BootId == _bootId)
        {
            KillOnce(files, spec);
        }

        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public async Task<BackendExit> EnsureGoneAsync(BackendIdentity backend, CancellationToken cancellationToken)
    {
        await _starts.SettleAsync(backend, cancellationToken);
        var files = FilesOf(backend);
        if (files.Exists && !files.IsGone)
        {
            await EndAsync(files, cancellationToken);
        }

        await ClearAsideAsync(files, cancellationToken);
        _tracked.TryRemove(backend, out _);
        _ownSockets.TryRemove(backend, out _);
        return ExitOf(files);
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<BackendIdentity>> EndUnsupervisedAsync(Func<BackendIdentity, bool> isSupervised, CancellationToken cancellationToken)
    {
        bool IsOurs(BackendIdentity backend) => isSupervised(backend) || _starts.Contains(backend);
        var ended = new ConcurrentBag<BackendIdentity>();
        var failures = new ConcurrentBag<Exception>();
        var found = await ListAsync(cancellationToken);
        await Task.WhenAll(found
            .Where(f => f.State != FoundState.Exited && !IsOurs(f.Backend))
            .Select(f => TryEndAsync(f.Backend, () => EnsureGoneAsync(f.Backend, cancellationToken))));

        // What the files do not show: their directory was removed, or is that of an earlier instance.
        var left = ProcessPlaces.Find(GuardedPlaces, b => !IsOurs(b), _bootId).Concat(ProcessPlaces.Find(_options.EarlierPlaces, _ => true, _bootId));
        await Task.WhenAll(left.Select(l => TryEndAsync(l.Backend, () => KillAllAsync(l.Backend, l.Kill, cancellationToken))));
        if (failures.TryPeek(out var first))
        {
            throw first;
        }

        return [.. ended.Distinct()];

        async Task TryEndAsync(BackendIdentity backend, Func<Task> end)
        {
            try
            {
                await end();
                ended.Add(backend);
            }
            catch (Exception e) when (!cancellationToken.IsCancellationRequested)
            {
                // One that does not end keeps no other running.
                failures.Add(e);
            }
        }
    }

    /// <summary>Sends SIGKILL to all of it that can be found.</summary>
    /// <returns>How many were found alive.</returns>
    internal static int KillOnce(BackendFiles files, BackendSpec spec)
    {
        var found = 0;
        if (spec.Cgroup is { } cgroup)
        {
            found += Cgroups.Members(cgroup).Count;
            Cgroups.Kill(cgroup);
        }

        return found + (files.Launcher?.KillSession() ?? 0);
    }

    private async Task EndAsync(BackendFiles files, CancellationToken cancellationToken)
    {
        // In this order: see the type's comment.
        files.MarkEnded();
        if (files.ReadSpec() is not { } spec || spec.BootId != _bootId)
        {
            // Nothing was launched from it, or nothing is left of that boot.
            files.MarkGone(null);
            return;
        }

        await WaitForExitCodeAsync(files, cancellationToken);
        int? killed = files.ExitCode is null && files.Child is { IsRunning: true } ? 128 + ProcessIdentity.Kill : null;
        await KillAllAsync(files, spec, cancellationToken);
        files.MarkGone(killed);
        if (spec.Cgroup is { } cgroup)
        {
            Cgroups.Remove(cgroup);
        }
    }

    private Task KillAllAsync(BackendFiles files, BackendSpec spec, CancellationToken cancellationToken)
    {
        var first = true;
        return KillAllAsync(
            files.Backend,
            () =>
            {
                var found = KillOnce(files, spec);
                if (first && found > 0 && files.ExitCode is not null)
                {
                    LogLeftBehind(files.Backend.Backend.Value);
                }

                first = false;
                return found;
            },
            cancellationToken);
    }

    /// <summary>Kills all of it, again until nothing is found alive.</summary>
    private async Task KillAllAsync(BackendIdentity backend, Func<int> kill, CancellationToken cancellationToken)
    {
        var begun = _time.GetTimestamp();
        for (var wait = FirstWait; kill() > 0; wait = wait * 2 < LastWait ? wait * 2 : LastWait)
        {
            if (_time.GetElapsedTime(begun) > _options.KillTimeout)
            {
                throw new RuntimeUnavailableException($"Processes of backend {backend.Backend} do not end though they were killed: they hang in the kernel.");
            }

            await Task.Delay(wait, _time, cancellationToken);
        }
    }

    private async Task WaitForExitCodeAsync(BackendFiles files, CancellationToken cancellationToken)
    {
        var begun = _time.GetTimestamp();
        while (files.ExitCode is null
            && files.IsStarted
            && files.Child is { IsRunning: false }
            && files.Launcher is { IsRunning: true }
            && _time.GetElapsedTime(begun) < ExitWait)
        {
            await Task.Delay(FirstWait, _time, cancellationToken);
        }
    }
}
