using System.Collections.Concurrent;
using System.Globalization;
using Docker.DotNet.Models;
using Microsoft.Extensions.Logging;

namespace Plane.DroneHost.Runtimes.Docker;

/// <summary>
/// Backends as containers of a Docker engine.
/// <para>
/// Why nothing of a backend can run once <see cref="EnsureGoneAsync"/> has returned. (1) A start in this process is ended first, so that no start request is sent later.
/// (2) Its containers are found by their labels, whatever their names and states, and each is removed; the engine answers a request to start it that comes later, ours, a
/// former agent's or an operator's, with 404. (3) They are looked for again until there is none. A late <em>create</em> is harmless: no start request knows its container. What
/// comes to run in spite of this, such as a copy of a container with its labels, is ended by <see cref="EndUnsupervisedAsync"/>.
/// </para>
/// </summary>
public sealed partial class DockerRuntime : IContainerRuntime, IImageRuntime
{
    private const int Parallel = 8;
    private const string NvidiaDevices = "/proc/driver/nvidia/gpus";

    private readonly DockerRuntimeOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger<DockerRuntime> _logger;
    private readonly DockerCalls _docker;
    private readonly ImagePuller _images;
    private readonly MountFence _fence;
    private readonly StartsInFlight _starts = new();
    private readonly EndedContainers _ended;

    // Containers that are to be ended because no supervisor has them, so that each is logged once and not at every attempt.
    private readonly ConcurrentDictionary<string, byte> _unsupervised = new(StringComparer.Ordinal);

    // Directories of ended containers that could not be removed, so that each is logged once.
    private readonly ConcurrentDictionary<string, byte> _notRemoved = new(StringComparer.Ordinal);

    // What runs as far as is known, with its container: added by start and list, removed when it ends. By it an exit is noticed whose container is gone, and the container is
    // distinguished from copies of it.
    private readonly ConcurrentDictionary<BackendIdentity, string> _running = new();

    /// <summary>Makes one; nothing is called yet.</summary>
    /// <param name="options">The settings; <see cref="DockerRuntimeOptions.Problems"/> must be none.</param>
    /// <param name="time">For time-outs.</param>
    /// <param name="logger">For what no caller waits for.</param>
    public DockerRuntime(DockerRuntimeOptions options, TimeProvider time, ILogger<DockerRuntime> logger)
    {
        if (options.Problems().FirstOrDefault() is { } problem)
        {
            throw new ArgumentException(problem, nameof(options));
        }

        _options = options;
        _time = time;
        _logger = logger;
        _docker = new DockerCalls(options, time);
        _images = new ImagePuller(_docker, options, time);
        _fence = new MountFence(time);
        _ended = new EndedContainers(Path.Combine(options.OutputDirectory, options.InstanceId));
    }

    /// <inheritdoc/>
    public event Action? StartedElsewhere;

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
            throw new RuntimeUnavailableException($"The Docker engine at {_options.Host} rejected the request: {e.Message}", e);
        }
    }

    /// <inheritdoc/>
    public async Task PrepareAsync(BackendStart start, CancellationToken cancellationToken)
    {
        var executable = start.Executable;
        Action<PullStep>? progress = start.Progress is { } say ? step => say(step.Text) : null;
        await EnsureAsync(executable.Image, executable.PullPolicy ?? PullPolicy.IfNotPresent, executable.Credentials, progress, cancellationToken);
    }

    /// <inheritdoc/>
    public Task BringAsync(WantedImage image, Action<int> progress, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(image);
        return EnsureAsync(image.Image, image.PullPolicy, image.Credentials, step => progress(step.Percent), cancellationToken);
    }

    /// <inheritdoc/>
    public async Task<RuntimeResources?> ReadResourcesAsync(CancellationToken cancellationToken)
    {
        try
        {
            var info = await _docker.InfoAsync(cancellationToken);
            return new RuntimeResources
            {
                CpuMillis = info.NCPU is > 0 and var cpus ? cpus * 1_000 : null,
                MemoryBytes = info.MemTotal is > 0 and var memory ? memory : null,

                // The engine does not say how many there are; this machine's driver does.
                Gpus = _docker.IsLocal && info.Runtimes?.ContainsKey("nvidia") == true && Directory.Exists(NvidiaDevices) ? Directory.GetDirectories(NvidiaDevices).Length : 0,
            };
        }
        catch (DockerErrorException e)
        {
            throw new RuntimeUnavailableException($"The Docker engine at {_options.Host} does not report its resources: {e.Message}", e);
        }
    }

    /// <inheritdoc/>
    public Task<StartedBackend?> StartAsync(BackendStart start, CancellationToken cancellationToken) =>
        _starts.RunAsync(start.Identity, token => StartOnceAsync(start, token), cancellationToken);

    /// <inheritdoc/>
    public async Task SignalStopAsync(BackendIdentity backend, CancellationToken cancellationToken)
    {
        if (await FindAsync(backend, cancellationToken) is { } id
            && await Answered(_docker.InspectAsync(id, cancellationToken)) is { State.Running: true } container)
        {
            await Answered(_docker.SignalAsync(id, container.Config?.StopSignal is { Length: > 0 } signal ? signal : "SIGTERM", cancellationToken));
        }
    }

    /// <inheritdoc/>
    public async Task KillAsync(BackendIdentity backend, CancellationToken cancellationToken)
    {
        if (await FindAsync(backend, cancellationToken) is { } id)
        {
            await Answered(_docker.SignalAsync(id, "SIGKILL", cancellationToken));
        }
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<FoundBackend>> ListAsync(CancellationToken cancellationToken)
    {
        // Read before the listing: a container that is removed in between is in one of the two.
        var found = new ConcurrentDictionary<BackendIdentity, FoundBackend>();
        foreach (var exit in _ended.All())
        {
            found[exit.Backend] = new FoundBackend(exit.Backend, FoundState.Exited, null, exit);
        }

        await ForEachAsync(
            (await ListOursAsync(cancellationToken)).GroupBy(c => c.Backend).Select(g => (g.Key, Own(g.Key, g.Select(c => c.Container)))),
            async (item, token) =>
            {
                if (await DescribeAsync(item.Key, item.Item2, token) is { } backend)
                {
                    found[item.Key] = backend;
                }
            },
            cancellationToken);
        return [.. found.Values];
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
                    if (await FindAsync(backend, token) is { } id && await _docker.StatsAsync(id, token) is { CPUStats.CPUUsage.TotalUsage: > 0 and var cpu, MemoryStats: { } memory })
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
    public ValueTask DisposeAsync()
    {
        // Containers outlive the agent: nothing is stopped here.
        _docker.Dispose();
        return ValueTask.CompletedTask;
    }

    private static string NameOf(BackendIdentity backend) => GuardTarget.ContainerOf(backend);

    private static ImageReference ImageOf(string? text) =>
        ImageReference.TryParse(text, out var image) ? image : throw new RuntimeFailureException($"'{RuntimeText.Shown(text)}' is not an image reference.");

    private async Task EnsureAsync(
        string? text, PullPolicy policy, RegistryCredentials? credentials, Action<PullStep>? progress, CancellationToken cancellationToken)
    {
        var image = ImageOf(text);
        try
        {
            await _images.EnsureAsync(image, policy, credentials, progress, cancellationToken);
        }
        catch (DockerErrorException e)
        {
            throw e.IsOfEngine ? Trouble(e) : new RuntimeFailureException($"The image {text} cannot be looked up: {e.Message}", e);
        }
    }

    private static Task ForEachAsync<T>(IEnumerable<T> items, Func<T, CancellationToken, ValueTask> body, CancellationToken cancellationToken) =>
        System.Threading.Tasks.Parallel.ForEachAsync(items, new ParallelOptions { MaxDegreeOfParallelism = Parallel, CancellationToken = cancellationToken }, body);

    /// <summary>Where an error answer means no more than that the engine is in trouble: what was asked for is unknown and may be retried.</summary>
    private static async Task<T> Answered<T>(Task<T> call)
    {
        try
        {
            return await call;
        }
        catch (DockerErrorException e)
        {
            throw Trouble(e);
        }
    }

    private static RuntimeUnavailableException Trouble(DockerErrorException e) => new($"The Docker engine answered with an error: {e.Message}", e);

    /// <summary>Everything about a container; null where there is none, or the engine fails over this one: that must not hide the exits of the others.</summary>
    private async Task<ContainerInspectResponse?> TryInspectAsync(string id, Outage outage, CancellationToken cancellationToken)
    {
        try
        {
            return await _docker.InspectAsync(id, cancellationToken);
        }
        catch (DockerErrorException e)
        {
            if (outage.ShouldLog($"{id}: {e.Message}"))
            {
                LogNotInspected(id, e.Message);
            }

            return null;
        }
    }

    // File-backed pages can be dropped at any time; shared memory, which cannot, is not on these two lists. The names are of cgroup v2 and, with total_, of v1.
    private static long MemoryOf(MemoryStats memory)
    {
        long Stat(string name) =>
            memory.Stats?.TryGetValue($"total_{name}", out var value) == true || memory.Stats?.TryGetValue(name, out value) == true ? (long)value : 0;
        return Math.Max(0, (long)(memory.Usage ?? 0) - Stat("inactive_file") - Stat("active_file"));
    }

    private async Task<(BackendIdentity Backend, ContainerListResponse Container)[]> ListOursAsync(CancellationToken cancellationToken)
    {
        var all = await Answered(_docker.ListAsync(new() { ["label"] = ContainerLabels.Filter(_options.InstanceId) }, cancellationToken));
        var ours = new List<(BackendIdentity, ContainerListResponse)>(all.Count);
        foreach (var container in all)
        {
            if (ContainerLabels.TryRead(container.Labels, _options.InstanceId) is { } backend)
            {
                ours.Add((backend, container));
            }
            else
            {
                LogForeignLabels(container.ID);
            }
        }

        return [.. ours];
    }

    /// <summary>The backend's own container, of this instance and this acquisition. Null where there is none.</summary>
    private async Task<string?> FindAsync(BackendIdentity backend, CancellationToken cancellationToken) =>
        _running.GetValueOrDefault(backend) ?? (await FindAllAsync(backend, cancellationToken) is { Count: > 0 } all ? Own(backend, all).ID : null);

    /// <summary>Every container with the backend's labels. Its name is not asked for: an operator may have changed it.</summary>
    private Task<IList<ContainerListResponse>> FindAllAsync(BackendIdentity backend, CancellationToken cancellationToken) =>
        Answered(_docker.ListAsync(new() { ["label"] = ContainerLabels.Filter(_options.InstanceId, backend) }, cancellationToken));

    /// <summary>Which of several containers with the same labels is the backend: the one that was started, else the one of its name, else the oldest.</summary>
    private ContainerListResponse Own(BackendIdentity backend, IEnumerable<ContainerListResponse> containers)
    {
        var running = _running.GetValueOrDefault(backend);
        return containers
            .OrderByDescending(c => c.ID == running)
            .ThenByDescending(c => c.Names?.Contains($"/{NameOf(backend)}") == true)
            .ThenBy(c => c.Created)
            .First();
    }

    private async Task<FoundBackend?> DescribeAsync(BackendIdentity backend, ContainerListResponse listed, CancellationToken cancellationToken)
    {
        if (await Answered(_docker.InspectAsync(listed.ID, cancellationToken)) is not { State: { } state } container)
        {
            return null;
        }

        // The agent removes what is only created, and kills what it doesn't know; a container half removed is neither running nor startable.
        return state switch
        {
            { Running: true } => new FoundBackend(backend, FoundState.Running, Adopt(backend, container), null),
            { Status: "created" } => new FoundBackend(backend, FoundState.Created, null, null),
            _ => new FoundBackend(backend, FoundState.Exited, null, await ExitOfAsync(backend, container.ID, state, ReportedWithin, cancellationToken)),
        };
    }

    private StartedBackend Adopt(BackendIdentity backend, ContainerInspectResponse container)
    {
        _running[backend] = container.ID;
        var process = ProcessOf(container);
        return new StartedBackend(ContainerSpecs.AddressOf(container) ?? "", process.Pid, process.StartTime);
    }

    /// <summary>
    /// The container's first process, if it is the one that this machine knows by that number: an engine on another machine or in another pid namespace means
    /// some other process by it, which must never be killed for it.
    /// </summary>
    private ProcessIdentity ProcessOf(ContainerInspectResponse container)
    {
        if (container.State is not { Pid: > 1 and <= int.MaxValue and var number })
        {
            return default;
        }

        var pid = (int)number;
        try
        {
            if (_docker.IsLocal
                && ProcessIdentity.TryRead(pid) is { } process
                && File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/cgroup")).Contains(container.ID, StringComparison.Ordinal)
                && process.IsRunning)
            {
                return process;
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It ended meanwhile, or is not ours to see.
        }

        LogProcessNotVisible(pid, container.ID);
        return default;
    }
}
