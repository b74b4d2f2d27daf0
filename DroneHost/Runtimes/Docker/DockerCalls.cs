using System.Globalization;
using Docker.DotNet;
using Docker.DotNet.Models;

namespace Plane.DroneHost.Runtimes.Docker;

/// <summary>The engine as drone and guard see it: the dozen calls that they make, one method each.</summary>
internal sealed class DockerCalls(DockerRuntimeOptions options, TimeProvider time) : IDisposable
{
    private readonly DockerConnection _engine = new(DockerEndpoint.TryParse(options.Host, out _)!, options.CallTimeout, time);

    /// <inheritdoc cref="DockerEndpoint.IsLocal"/>
    public bool IsLocal => _engine.IsLocal;

    public Task PingAsync(CancellationToken cancellationToken) =>
        _engine.CallAsync("/_ping", (engine, c) => DoneAsync(engine.System.PingAsync(c)), cancellationToken);

    public Task<SystemInfoResponse> InfoAsync(CancellationToken cancellationToken) =>
        _engine.CallAsync("/info", (engine, c) => engine.System.GetSystemInfoAsync(c), cancellationToken);

    public Task<bool> HasImageAsync(ImageReference image, CancellationToken cancellationToken) => UnlessAsync(
        e => e.IsNotFound, false, _engine.CallAsync($"/images/{image.Text}/json", (engine, c) => DoneAsync(engine.Images.InspectImageAsync(image.Text, c)), cancellationToken));

    /// <summary>Pulls; an error of the pull is in one of its messages. The caller extends <paramref name="idle"/> with each.</summary>
    public Task PullAsync(
        ImageReference image, AuthConfig? registry, Action<JSONMessage?> onMessage, CancellationTokenSource idle, CancellationToken cancellationToken)
    {
        var parameters = new ImagesCreateParameters { FromImage = image.Repository, Tag = image.Tag };
        return _engine.CallAsync(
            "/images/create", (engine, c) => DoneAsync(engine.Images.CreateImageAsync(parameters, registry, new Sink<JSONMessage>(onMessage), c)), idle, cancellationToken);
    }

    public async Task<string> CreateAsync(CreateContainerParameters spec, CancellationToken cancellationToken)
    {
        var created = await _engine.CallAsync(
            "/containers/create", (engine, c) => engine.Containers.CreateContainerAsync(spec, c), cancellationToken, options.StartTimeout);
        return created.ID is { Length: > 0 } id ? id : throw new RuntimeUnavailableException("The Docker engine created a container and did not say which.");
    }

    public Task StartAsync(string id, CancellationToken cancellationToken) =>
        _engine.CallAsync($"/containers/{id}/start", (engine, c) => engine.Containers.StartContainerAsync(id, null, c), cancellationToken, options.StartTimeout);

    /// <summary>Everything about a container, by id or name; null where there is none.</summary>
    public Task<ContainerInspectResponse?> InspectAsync(string container, CancellationToken cancellationToken) => UnlessAsync(
        e => e.IsNotFound,
        null,
        _engine.CallAsync<ContainerInspectResponse?>(
            $"/containers/{container}/json", async (engine, c) => await engine.Containers.InspectContainerAsync(container, c), cancellationToken));

    /// <summary>Sends a signal; false where the container doesn't run or isn't there.</summary>
    public Task<bool> SignalAsync(string id, string signal, CancellationToken cancellationToken)
    {
        var parameters = new ContainerKillParameters { Signal = signal };
        return UnlessAsync(
            e => e.IsNotFound || e.IsConflict,
            false,
            _engine.CallAsync($"/containers/{id}/kill", (engine, c) => DoneAsync(engine.Containers.KillContainerAsync(id, parameters, c)), cancellationToken));
    }

    /// <summary>Waits until the container doesn't run; false where it isn't there.</summary>
    public Task<bool> WaitAsync(string id, CancellationToken cancellationToken) => UnlessAsync(
        e => e.IsNotFound, false, _engine.CallAsync($"/containers/{id}/wait", (engine, c) => DoneAsync(engine.Containers.WaitContainerAsync(id, c)), cancellationToken));

    /// <summary>Removes a container by force, with its anonymous volumes; true where it is gone, false where its removal is still under way.</summary>
    public Task<bool> RemoveAsync(string container, CancellationToken cancellationToken)
    {
        var parameters = new ContainerRemoveParameters { RemoveVolumes = true, Force = true };
        var removal = _engine.CallAsync(
            $"/containers/{container}", (engine, c) => DoneAsync(engine.Containers.RemoveContainerAsync(container, parameters, c)), cancellationToken, options.StartTimeout);
        return UnlessAsync(e => e.IsNotFound, true, UnlessAsync(e => e.IsConflict, false, removal));
    }

    public Task<IList<ContainerListResponse>> ListAsync(Dictionary<string, string[]> filters, CancellationToken cancellationToken)
    {
        var parameters = new ContainersListParameters { All = true, Filters = Filters(filters) };
        return _engine.CallAsync("/containers/json", (engine, c) => engine.Containers.ListContainersAsync(parameters, c), cancellationToken);
    }

    /// <summary>Removes images that have no name, that no container uses and that were made before the moment; the bytes that this freed.</summary>
    public async Task<long> PruneImagesAsync(DateTimeOffset before, CancellationToken cancellationToken)
    {
        var until = before.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);
        var parameters = new ImagesPruneParameters { Filters = Filters(new() { ["dangling"] = ["true"], ["until"] = [until] }) };
        var pruned = await _engine.CallAsync("/images/prune", (engine, c) => engine.Images.PruneImagesAsync(parameters, c), cancellationToken, options.StartTimeout);
        return (long)pruned.SpaceReclaimed;
    }

    /// <summary>
    /// Opens the event stream, for <see cref="EngineEvents"/>: from now, or from the moment (Unix time in nanoseconds) on; without an end, or up to a moment.
    /// </summary>
    public Task<Stream> EventsAsync(Dictionary<string, string[]> filters, long? sinceNano, CancellationToken cancellationToken, long? untilNano = null)
    {
        var parameters = new ContainerEventsParameters { Filters = Filters(filters), Since = Moment(sinceNano), Until = Moment(untilNano) };
#pragma warning disable CS0618 // The call that is to be used instead doesn't say when the stream is open, and what happens after that moment alone is seen.
        return _engine.CallAsync("/events", (engine, c) => engine.System.MonitorEventsAsync(parameters, c), cancellationToken);
#pragma warning restore CS0618
    }

    /// <summary>Lines of its output, each with its time, for <see cref="ContainerLines"/>; null where the container isn't there.</summary>
    /// <param name="id">The container.</param>
    /// <param name="tail">How many of the last lines; null for all.</param>
    /// <param name="sinceNano">Only lines of this moment or later (Unix time in nanoseconds).</param>
    /// <param name="follow">Whether it continues until the container ends.</param>
    /// <param name="cancellationToken">Gives it up; the caller reads the stream.</param>
    public Task<MultiplexedStream?> OutputAsync(string id, int? tail, long? sinceNano, bool follow, CancellationToken cancellationToken)
    {
        var parameters = new ContainerLogsParameters
        {
            ShowStdout = true,
            ShowStderr = true,
            Timestamps = true,
            Follow = follow,
            Since = Moment(sinceNano),
            Tail = tail?.ToString(CultureInfo.InvariantCulture) ?? "all",
        };
        return UnlessAsync(
            e => e.IsNotFound || e.IsConflict,
            null,
            _engine.CallAsync<MultiplexedStream?>(
                $"/containers/{id}/logs", async (engine, c) => await engine.Containers.GetContainerLogsAsync(id, parameters, c), cancellationToken));
    }

    /// <summary>What it uses now; null where it isn't there.</summary>
    public async Task<ContainerStatsResponse?> StatsAsync(string id, CancellationToken cancellationToken)
    {
        ContainerStatsResponse? stats = null;
        var parameters = new ContainerStatsParameters { Stream = false, OneShot = true };
        var sink = new Sink<ContainerStatsResponse>(s => stats = s);
        await UnlessAsync(
            e => e.IsNotFound || e.IsConflict,
            false,
            _engine.CallAsync($"/containers/{id}/stats", (engine, c) => DoneAsync(engine.Containers.GetContainerStatsAsync(id, parameters, sink, c)), cancellationToken));
        return stats;
    }

    public void Dispose() => _engine.Dispose();

    private static async Task<bool> DoneAsync(Task call)
    {
        await call;
        return true;
    }

    private static async Task<T> UnlessAsync<T>(Func<DockerErrorException, bool> isRefusal, T otherwise, Task<T> call)
    {
        try
        {
            return await call;
        }
        catch (DockerErrorException e) when (isRefusal(e))
        {
            return otherwise;
        }
    }

    private static string? Moment(long? nano) =>
        nano is { } at ? string.Create(CultureInfo.InvariantCulture, $"{at / 1_000_000_000}.{at % 1_000_000_000:D9}") : null;

    private static Dictionary<string, IDictionary<string, bool>> Filters(Dictionary<string, string[]> filters) =>
        filters.ToDictionary(f => f.Key, IDictionary<string, bool> (f) => f.Value.ToDictionary(v => v, _ => true));

    /// <summary>Takes each message where it is read; the platform's own would take it later, on another thread.</summary>
    private sealed class Sink<T>(Action<T> take) : IProgress<T>
    {
        public void Report(T value) => take(value);
    }
}
