using System.Collections.Concurrent;
using System.Globalization;
using System.Text.Json;
using Microsoft.Extensions.Logging;

namespace Plane.Drone.Runtimes.Docker;

/// <summary>
/// Backends as containers of a Docker engine.
/// <para>
/// Why nothing of a backend can run once <see cref="EnsureGoneAsync"/> has returned. A container is sent one start request in its life, by the call of
/// <see cref="StartAsync"/> that created it; no connection is reused, so the transport repeats none. Therefore:
/// (1) a start in this process is ended first, so that no start request is sent later;
/// (2) a container that was never started may still have its request on the way (ours given up, or a former agent's): it is removed, and the engine answers a
/// late request with 404; (3) one that runs has used its request up: it is killed and may stay; (4) so has one that exited; (5) in any other state, or where
/// killing does not help, it is removed by force. A late <em>create</em> is harmless: nobody knows its container to start it.
/// </para>
/// </summary>
public sealed partial class DockerRuntime : IContainerRuntime
{
    private const int Parallel = 8;
    private static readonly TimeSpan RemovalRetry = TimeSpan.FromMilliseconds(100);

    private readonly DockerRuntimeOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger<DockerRuntime> _logger;
    private readonly DockerCalls _docker;
    private readonly ImagePuller _images;
    private readonly MountFence _fence;
    private readonly StartsInFlight _starts = new();

    // What runs as far as we know, with its container: added by start and list, removed when it is found ended. So that an exit whose container is gone is noticed.
    private readonly ConcurrentDictionary<BackendIdentity, string> _running = new();

    /// <summary>Makes one; nothing is called yet.</summary>
    /// <param name="options">The settings; <see cref="DockerRuntimeOptions.Problems"/> must be none.</param>
    /// <param name="time">For time-outs.</param>
    /// <param name="logger">For what nobody asks about.</param>
    public DockerRuntime(DockerRuntimeOptions options, TimeProvider time, ILogger<DockerRuntime> logger)
    {
        if (options.Problems().FirstOrDefault() is { } problem)
        {
            throw new ArgumentException(problem, nameof(options));
        }

        _options = options;
        _time = time;
        _logger = logger;
        _docker = new DockerCalls(new DockerClient(DockerEndpoint.TryParse(options.Host, out _)!, options.CallTimeout, time), options);
        _images = new ImagePuller(_docker, options, time);
        _fence = new MountFence(time);
    }

    /// <inheritdoc/>
    public ExecutorKind Kind => ExecutorKind.Docker;

    /// <inheritdoc/>
    public GuardTarget TargetOf(BackendIdentity backend) => new(GuardTarget.Docker, NameOf(backend));

    /// <inheritdoc/>
    public async Task CheckAsync(CancellationToken cancellationToken)
    {
        try
        {
            await _docker.PingAsync(cancellationToken);
            if (_options.Runtime is { } runtime && (await _docker.InfoAsync(cancellationToken)).Runtimes is { } runtimes && !runtimes.ContainsKey(runtime))
            {
                throw new RuntimeUnavailableException(
                    $"The Docker engine at {_options.Host} has no runtime '{runtime}'; it has {string.Join(", ", runtimes.Keys.Order(StringComparer.Ordinal))}.");
            }
        }
        catch (DockerErrorException e)
        {
            throw new RuntimeUnavailableException($"The Docker engine at {_options.Host} refuses: {e.Message}", e);
        }
    }

    /// <inheritdoc/>
    public async Task PrepareAsync(BackendStart start, CancellationToken cancellationToken)
    {
        var executable = start.Executable;
        try
        {
            await _images.EnsureAsync(ImageOf(executable), executable.PullPolicy ?? PullPolicy.IfNotPresent, executable.Credentials, start.Progress, cancellationToken);
        }
        catch (DockerErrorException e)
        {
            throw new RuntimeFailureException($"The image {executable.Image} cannot be looked up: {e.Message}", e);
        }
    }

    /// <inheritdoc/>
    public Task<StartedBackend?> StartAsync(BackendStart start, CancellationToken cancellationToken) =>
        _starts.RunAsync(start.Identity, token => StartOnceAsync(start, token), cancellationToken);

    /// <inheritdoc/>
    public async Task SignalStopAsync(BackendIdentity backend, CancellationToken cancellationToken)
    {
        if (await FindAsync(backend, cancellationToken) is { State.Running: true } container)
        {
            await Answered(_docker.SignalAsync(container.Id, container.Config?.StopSignal is { Length: > 0 } signal ? signal : "SIGTERM", cancellationToken));
        }
    }

    /// <inheritdoc/>
    public async Task KillAsync(BackendIdentity backend, CancellationToken cancellationToken)
    {
        var id = _running.GetValueOrDefault(backend) ?? (await FindAsync(backend, cancellationToken))?.Id;
        if (id is not null)
        {
            await Answered(_docker.SignalAsync(id, "SIGKILL", cancellationToken));
        }
    }

    /// <inheritdoc/>
    public async Task<BackendExit> EnsureGoneAsync(BackendIdentity backend, CancellationToken cancellationToken)
    {
        await _starts.SettleAsync(backend, cancellationToken);
        var exit = new BackendExit(backend, null, null);
        for (var killed = false; ;)
        {
            var container = await FindAsync(backend, cancellationToken);
            if (container is null)
            {
                _running.TryRemove(backend, out _);
                return exit;
            }

            switch (container.State?.Status)
            {
                case "exited":
                    _running.TryRemove(backend, out _);
                    return ExitOf(backend, container.State);

                case "running" when !killed:
                    killed = true;
                    await Answered(_docker.SignalAsync(container.Id, "SIGKILL", cancellationToken));
                    await KilledAsync(container.Id, cancellationToken);
                    break;

                case "running":
                    exit = new BackendExit(backend, 128 + ProcessIdentity.Kill, null);
                    await RemoveAsync(container.Id, cancellationToken);
                    break;

                default:
                    await RemoveAsync(container.Id, cancellationToken);
                    break;
            }
        }
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<FoundBackend>> ListAsync(CancellationToken cancellationToken)
    {
        var found = new ConcurrentBag<FoundBackend>();
        await ForEachAsync(
            await ListOursAsync(cancellationToken),
            async (item, token) =>
            {
                if (await DescribeAsync(item.Backend, item.Container, token) is { } backend)
                {
                    found.Add(backend);
                }
            },
            cancellationToken);
        return [.. found];
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<BackendUsage>> ReadUsageAsync(IReadOnlyCollection<BackendIdentity> backends, CancellationToken cancellationToken)
    {
        var usage = new ConcurrentBag<BackendUsage>();
        await ForEachAsync(
            backends,
            async (backend, token) =>
            {
                try
                {
                    var id = _running.GetValueOrDefault(backend) ?? (await FindAsync(backend, token))?.Id;
                    if (id is not null && await _docker.StatsAsync(id, token) is { Cpu.Usage.Total: > 0 and var cpu, Memory: { } memory })
                    {
                        usage.Add(new BackendUsage(backend, (long)cpu, MemoryOf(memory)));
                    }
                }
                catch (DockerErrorException e)
                {
                    // One that cannot be read must not hide the others.
                    LogUsageFailed(backend.Backend.Value, e.Message);
                }
            },
            cancellationToken);
        return [.. usage];
    }

    /// <inheritdoc/>
    public async Task<int> PruneAsync(TimeSpan age, CancellationToken cancellationToken)
    {
        var before = _time.GetUtcNow() - age;
        var removed = 0;
        await ForEachAsync(
            (await ListOursAsync(cancellationToken)).Where(c =>
                c.Container.State is "exited" or "created" or "dead" && DateTimeOffset.FromUnixTimeSeconds(c.Container.Created) <= before && !_starts.Contains(c.Backend)),
            async (item, token) =>
            {
                var container = await Answered(_docker.InspectAsync(item.Container.Id, token));

                // Not by force: what was started meanwhile stays.
                if (container?.State is { Running: false } state
                    && (state.Status == "created" || state.FinishedAt <= before)
                    && await Answered(_docker.RemoveAsync(container.Id, force: false, token)))
                {
                    Interlocked.Increment(ref removed);
                }
            },
            cancellationToken);
        if (_options.PruneImages)
        {
            await PruneImagesAsync(before, cancellationToken);
        }

        return removed;
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        // Containers outlive the agent: nothing is stopped here.
        _docker.Dispose();
        return ValueTask.CompletedTask;
    }

    private async Task PruneImagesAsync(DateTimeOffset before, CancellationToken cancellationToken)
    {
        try
        {
            var freed = await Answered(_docker.PruneImagesAsync(before, cancellationToken));
            if (freed > 0)
            {
                LogImagesPruned(freed);
            }
        }
        catch (Exception e) when (e is DockerErrorException or RuntimeUnavailableException { InnerException: DockerErrorException })
        {
            // A second prune at the same time is refused by the engine; the next round asks again.
            LogImagesNotPruned(e.Message);
        }
    }

    private static string NameOf(BackendIdentity backend) => GuardTarget.ContainerOf(backend);

    private static ImageReference ImageOf(Executable executable) =>
        ImageReference.TryParse(executable.Image, out var image)
            ? image
            : throw new RuntimeFailureException($"'{RuntimeText.Shown(executable.Image)}' is not an image reference.");

    private static Task ForEachAsync<T>(IEnumerable<T> items, Func<T, CancellationToken, ValueTask> body, CancellationToken cancellationToken) =>
        System.Threading.Tasks.Parallel.ForEachAsync(items, new ParallelOptions { MaxDegreeOfParallelism = Parallel, CancellationToken = cancellationToken }, body);

    /// <summary>Where an error answer means no more than that the engine is in trouble: what was asked for is unknown and may be asked again.</summary>
    private static async Task<T> Answered<T>(Task<T> call)
    {
        try
        {
            return await call;
        }
        catch (DockerErrorException e)
        {
            throw new RuntimeUnavailableException($"The Docker engine answered with an error: {e.Message}", e);
        }
    }

    // File-backed pages can be dropped at any time; shared memory, which cannot, is not on these two lists. The names are of cgroup v2 and, with total_, of v1.
    private static long MemoryOf(MemoryStats memory)
    {
        long Stat(string name) =>
            (memory.Stats?.TryGetValue($"total_{name}", out var value) == true || memory.Stats?.TryGetValue(name, out value) == true)
            && value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out var bytes) ? bytes : 0;
        return Math.Max(0, (long)memory.Usage - Stat("inactive_file") - Stat("active_file"));
    }

    private static BackendExit ExitOf(BackendIdentity backend, ContainerState state) =>
        new(backend, state.ExitCode, state.OomKilled ? "A process of it was killed because its memory limit was reached." : RuntimeText.Shown(state.Error) is { Length: > 0 } error ? error : null);

    private async Task RemoveAsync(string id, CancellationToken cancellationToken)
    {
        if (!await Answered(_docker.RemoveAsync(id, force: true, cancellationToken)))
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
            // It did not end in time, or the engine is away: the next look tells which.
        }
    }

    private async Task<(BackendIdentity Backend, ListedContainer Container)[]> ListOursAsync(CancellationToken cancellationToken)
    {
        var all = await Answered(_docker.ListAsync(new() { ["label"] = ContainerLabels.Filter(_options.InstanceId) }, cancellationToken));
        var ours = new List<(BackendIdentity, ListedContainer)>(all.Length);
        foreach (var container in all)
        {
            if (ContainerLabels.TryRead(container.Labels, _options.InstanceId) is { } backend)
            {
                ours.Add((backend, container));
            }
            else
            {
                LogForeignLabels(container.Id);
            }
        }

        return [.. ours];
    }

    /// <summary>The backend's own container: of this instance and this acquisition. Null where there is none.</summary>
    private async Task<ContainerDetails?> FindAsync(BackendIdentity backend, CancellationToken cancellationToken)
    {
        var container = await Answered(_docker.InspectAsync(NameOf(backend), cancellationToken));
        return container is not null && ContainerLabels.TryRead(container.Config?.Labels, _options.InstanceId) == backend ? container : null;
    }

    private async Task<FoundBackend?> DescribeAsync(BackendIdentity backend, ListedContainer listed, CancellationToken cancellationToken)
    {
        if (listed.State == "exited" && ExitCodeOf(listed.Status) is { } code)
        {
            return new FoundBackend(backend, FoundState.Exited, null, code);
        }

        if (await Answered(_docker.InspectAsync(listed.Id, cancellationToken)) is not { State: { } state } container)
        {
            return null;
        }

        // The agent removes what is only created, and kills what it doesn't know; a container half removed is neither running nor startable.
        return state switch
        {
            { Running: true } => new FoundBackend(backend, FoundState.Running, Adopt(backend, container), null),
            { Status: "created" } => new FoundBackend(backend, FoundState.Created, null, null),
            _ => new FoundBackend(backend, FoundState.Exited, null, state.ExitCode),
        };
    }

    private StartedBackend Adopt(BackendIdentity backend, ContainerDetails container)
    {
        _running[backend] = container.Id;
        var process = ProcessOf(container);
        return new StartedBackend(ContainerSpecs.AddressOf(container) ?? "", process.Pid, process.StartTime);
    }

    /// <summary>
    /// The container's first process, if it is the one that this machine knows by that number: an engine on another machine or in another pid namespace means
    /// some other process by it, which must never be killed for it.
    /// </summary>
    private ProcessIdentity ProcessOf(ContainerDetails container)
    {
        if (container.State is not { Pid: > 1 and var pid })
        {
            return default;
        }

        try
        {
            if (_docker.IsLocal
                && ProcessIdentity.TryRead(pid) is { } process
                && File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/cgroup")).Contains(container.Id, StringComparison.Ordinal)
                && process.IsRunning)
            {
                return process;
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It ended meanwhile, or is not ours to see.
        }

        LogProcessNotVisible(pid, container.Id);
        return default;
    }

    // The list says "Exited (137) 2 minutes ago": that spares an inspect for each of hundreds of stopped containers.
    private static int? ExitCodeOf(string? status) =>
        status is not null && status.StartsWith("Exited (", StringComparison.Ordinal)
        && status.IndexOf(')', StringComparison.Ordinal) is > 8 and var end
        && int.TryParse(status.AsSpan(8, end - 8), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var code)
            ? code
            : null;
}
