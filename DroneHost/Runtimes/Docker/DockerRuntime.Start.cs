using Docker.DotNet.Models;

namespace Plane.DroneHost.Runtimes.Docker;

public sealed partial class DockerRuntime
{
    private static readonly TimeSpan CleanUpTimeout = TimeSpan.FromSeconds(10);

    /// <summary>
    /// Three calls: (1) create, (2) start, (3) inspect. What comes between: the look between (1) and (2); whatever goes wrong after (1) removes the container.
    /// </summary>
    private async Task<StartedBackend?> StartOnceAsync(BackendStart start, CancellationToken cancellationToken)
    {
        var backend = start.Identity;
        var spec = ContainerSpecs.Compose(start, ImageOf(start.Executable.Image), _options);
        if (start.Executable.Mount is { } mount)
        {
            ContainerSpecs.AddMount(spec, await MountAsync(mount, start, cancellationToken));
        }

        // 1.
        string id;
        try
        {
            id = await CreateAsync(spec, cancellationToken);
        }
        catch (DockerErrorException e) when (e.IsConflict)
        {
            if (await ResolveNameAsync(backend, cancellationToken) is { } running)
            {
                return running;
            }

            id = await CreateAsync(spec, cancellationToken);
        }

        // 2.
        if (!await StartContainerAsync(start, spec, id, cancellationToken))
        {
            return null;
        }

        // 3. It runs. If it cannot be looked at now, the caller learns of it by listing; that is not a reason to end it.
        var container = await Answered(_docker.InspectAsync(id, cancellationToken));
        if (container?.State is not { Running: true })
        {
            // It has ended already: the address alone is true of it. Watching reports the exit.
            return new StartedBackend(AddressOf(start), 0, 0);
        }

        return Adopt(backend, container) with { Address = AddressOf(start) };
    }

    /// <summary>Starts a container that was created, unless the backend may not start any more. What did not start is removed.</summary>
    /// <returns>Whether it was started.</returns>
    private async Task<bool> StartContainerAsync(BackendStart start, CreateContainerParameters spec, string id, CancellationToken cancellationToken)
    {
        try
        {
            if (!start.MayStart())
            {
                await RemoveAsync(id, cancellationToken);
                return false;
            }

            await _docker.StartAsync(id, cancellationToken);
            return true;
        }
        catch (Exception e)
        {
            var was = await CleanUpAsync(start.Identity, id);
            switch (e)
            {
                case DockerErrorException when !start.MayStart():
                    // The guard was faster: it marks, then removes.
                    return false;
                case DockerErrorException { IsNotFound: true } when was == LeftOver.Gone:
                    throw new RuntimeUnavailableException("Its container was removed through the container engine before it was started.", e);
                case DockerErrorException error:
                    throw Failure("cannot be started", error, spec);
                case RuntimeUnavailableException when was == LeftOver.HadRun:
                    // Not again: a backend starts once.
                    throw new RuntimeFailureException($"Docker did not confirm the start of a container of {spec.Image}, so it is removed: {e.Message}", e);
                default:
                    throw;
            }
        }
    }

    private static string AddressOf(BackendStart start) => new System.Net.IPEndPoint(System.Net.IPAddress.Parse(start.Ip), start.Port).ToString();

    private async Task<string> CreateAsync(CreateContainerParameters spec, CancellationToken cancellationToken)
    {
        try
        {
            return await _docker.CreateAsync(spec, cancellationToken);
        }
        catch (DockerErrorException e) when (!e.IsConflict)
        {
            throw Failure("cannot be created", e, spec);
        }
    }

    private static RuntimeFailureException Failure(string what, DockerErrorException cause, CreateContainerParameters spec) =>
        cause.Message.Contains("storage-opt", StringComparison.OrdinalIgnoreCase) || cause.Message.Contains("storage opt", StringComparison.OrdinalIgnoreCase)
            ? new RuntimeFailureException($"disk_limit_bytes: this drone's Docker engine cannot limit a container's disk: {cause.Message}", cause)
            : new RuntimeFailureException($"A container of {spec.Image} {what}: {cause.Message}", cause);

    private async Task<string> MountAsync(MountRequest mount, BackendStart start, CancellationToken cancellationToken)
    {
        if (_options.MountBase is not { } mountBase)
        {
            throw new RuntimeFailureException("The backend needs a mount, but this drone has no --mount-base. Start the drone with one, or remove mount from the request.");
        }

        var relative = MountDirectory.RelativePath(mount, start.Key);
        await _fence.EnterAsync(mountBase, relative, start.Identity.Token, cancellationToken, MountDirectory.FormerPath(mount, start.Key));
        return MountDirectory.Resolve(mountBase, relative);
    }

    /// <summary>
    /// What to do with a container that has the backend's name: ours and running, it is the answer; ours and never started, or of an older acquisition, it
    /// is removed; anything else is not ours to touch.
    /// </summary>
    private async Task<StartedBackend?> ResolveNameAsync(BackendIdentity backend, CancellationToken cancellationToken)
    {
        var container = await Answered(_docker.InspectAsync(NameOf(backend), cancellationToken));
        if (container is null)
        {
            return null;
        }

        if (ContainerLabels.TryRead(container.Config?.Labels, _options.InstanceId) is not { } owner)
        {
            throw new RuntimeFailureException($"The name {NameOf(backend)} is taken by a container that is not this drone's.");
        }

        if (owner.Token > backend.Token)
        {
            throw new RuntimeFailureException($"A newer acquisition (fencing token {owner.Token}, not {backend.Token}) has a container of this backend.");
        }

        switch (container.State)
        {
            case { Running: true } when owner == backend:
                return Adopt(backend, container);
            case { Status: "exited" or "dead" } when owner == backend:
                throw new RuntimeFailureException($"Backend {backend.Backend} has run already.");
            case { Status: "created" } when owner == backend:
                break;
            default:
                LogLeftoverRemoved(backend.Backend.Value, owner.Token);
                break;
        }

        if (container.State is not { Running: true })
        {
            // Its process must not run beside the one that is started next.
            await KillForgottenAsync(owner, container.ID, cancellationToken);
        }

        while (await Answered(_docker.InspectAsync(container.ID, cancellationToken)) is not null)
        {
            await RemoveAsync(container.ID, cancellationToken);
        }

        return null;
    }

    /// <summary>Removes what did not start. It continues after the caller has given up, for a bounded time: a request may be on its way.</summary>
    /// <returns>What was there.</returns>
    private async Task<LeftOver> CleanUpAsync(BackendIdentity backend, string id)
    {
        using var limit = new CancellationTokenSource(CleanUpTimeout, _time);
        var found = LeftOver.Gone;
        try
        {
            while (await Answered(_docker.InspectAsync(id, limit.Token)) is { } container)
            {
                found = MomentOf(container.State?.StartedAt) > DateTimeOffset.UnixEpoch ? LeftOver.HadRun : LeftOver.NeverRan;
                if (found == LeftOver.NeverRan)
                {
                    await KillForgottenAsync(backend, id, limit.Token);
                }

                await RemoveAsync(id, limit.Token);
            }
        }
        catch (Exception e) when (e is RuntimeUnavailableException or OperationCanceledException)
        {
            LogCleanUpFailed(id, backend.Backend.Value, e.Message);
            found = found == LeftOver.HadRun ? found : LeftOver.Unknown;
        }

        return found;
    }

    private enum LeftOver
    {
        Gone,
        NeverRan,
        HadRun,
        Unknown,
    }
}
