using System.Globalization;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;

namespace Plane.Drone.Runtimes.Docker;

/// <summary>The calls of the Engine API that we use, one method each.</summary>
internal sealed class DockerCalls(DockerClient client, DockerRuntimeOptions options) : IDisposable
{
    /// <inheritdoc cref="DockerClient.IsLocal"/>
    public bool IsLocal => client.IsLocal;

    public async Task PingAsync(CancellationToken cancellationToken)
    {
        await client.NegotiateAsync(cancellationToken);
        await client.SendAsync(HttpMethod.Get, "/_ping", cancellationToken);
    }

    public Task<EngineInfo> InfoAsync(CancellationToken cancellationToken) =>
        client.ReadAsync(HttpMethod.Get, "/info", DockerJson.Default.EngineInfo, cancellationToken);

    public async Task<bool> HasImageAsync(ImageReference image, CancellationToken cancellationToken)
    {
        try
        {
            await client.SendAsync(HttpMethod.Get, $"/images/{image.Text}/json", cancellationToken);
            return true;
        }
        catch (DockerErrorException e) when (e.IsNotFound)
        {
            return false;
        }
    }

    /// <summary>Begins a pull; what becomes of it stands in the stream of the answer.</summary>
    public Task<HttpResponseMessage> PullAsync(ImageReference image, string? registryAuth, CancellationToken cancellationToken) =>
        client.OpenStreamAsync(
            HttpMethod.Post,
            $"/images/create?fromImage={Uri.EscapeDataString(image.Repository)}&tag={Uri.EscapeDataString(image.Tag)}",
            registryAuth,
            options.PullIdleTimeout,
            cancellationToken);

    public async Task<string> CreateAsync(string name, ContainerSpec spec, CancellationToken cancellationToken)
    {
        using var content = new ByteArrayContent(JsonSerializer.SerializeToUtf8Bytes(spec, DockerJson.Default.ContainerSpec));
        content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        var created = await client.ReadAsync(
            HttpMethod.Post, $"/containers/create?name={name}", DockerJson.Default.CreatedContainer, cancellationToken, content, options.StartTimeout);
        return created.Id is { Length: > 0 } id ? id : throw new RuntimeUnavailableException("The Docker engine created a container and did not say which.");
    }

    public Task StartAsync(string id, CancellationToken cancellationToken) =>
        client.SendAsync(HttpMethod.Post, $"/containers/{id}/start", cancellationToken, timeout: options.StartTimeout);

    /// <summary>Everything about a container, by id or name; null where there is none.</summary>
    public async Task<ContainerDetails?> InspectAsync(string container, CancellationToken cancellationToken)
    {
        try
        {
            return await client.ReadAsync(HttpMethod.Get, $"/containers/{container}/json", DockerJson.Default.ContainerDetails, cancellationToken);
        }
        catch (DockerErrorException e) when (e.IsNotFound)
        {
            return null;
        }
    }

    /// <summary>Sends a signal; false where the container doesn't run or isn't there.</summary>
    public async Task<bool> SignalAsync(string id, string signal, CancellationToken cancellationToken)
    {
        try
        {
            await client.SendAsync(HttpMethod.Post, $"/containers/{id}/kill?signal={Uri.EscapeDataString(signal)}", cancellationToken);
            return true;
        }
        catch (DockerErrorException e) when (e.IsNotFound || e.IsConflict)
        {
            return false;
        }
    }

    /// <summary>Waits until the container doesn't run; its exit code, or null where it isn't there.</summary>
    public async Task<int?> WaitAsync(string id, CancellationToken cancellationToken)
    {
        try
        {
            return (await client.ReadAsync(HttpMethod.Post, $"/containers/{id}/wait?condition=not-running", DockerJson.Default.WaitAnswer, cancellationToken)).StatusCode;
        }
        catch (DockerErrorException e) when (e.IsNotFound)
        {
            return null;
        }
    }

    /// <summary>Removes a container and its anonymous volumes; true where it is gone, false where its removal is still under way.</summary>
    public async Task<bool> RemoveAsync(string container, bool force, CancellationToken cancellationToken)
    {
        try
        {
            await client.SendAsync(HttpMethod.Delete, $"/containers/{container}?v=true{(force ? "&force=true" : "")}", cancellationToken, timeout: options.StartTimeout);
            return true;
        }
        catch (DockerErrorException e) when (e.IsNotFound)
        {
            return true;
        }
        catch (DockerErrorException e) when (e.IsConflict)
        {
            return false;
        }
    }

    public Task<ListedContainer[]> ListAsync(Dictionary<string, string[]> filters, CancellationToken cancellationToken) =>
        client.ReadAsync(HttpMethod.Get, $"/containers/json?all=true&filters={Filters(filters)}", DockerJson.Default.ListedContainerArray, cancellationToken);

    /// <summary>Removes images that have no name, that no container uses and that were made before the moment; the bytes that this freed.</summary>
    public async Task<long> PruneImagesAsync(DateTimeOffset before, CancellationToken cancellationToken)
    {
        var until = before.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);
        var filters = Filters(new() { ["dangling"] = ["true"], ["until"] = [until] });
        var pruned = await client.ReadAsync(
            HttpMethod.Post, $"/images/prune?filters={filters}", DockerJson.Default.PrunedImages, cancellationToken, timeout: options.StartTimeout);
        return pruned.SpaceReclaimed;
    }

    /// <summary>The event stream: from now, or from the moment (Unix time in nanoseconds) on; without an end, or up to a moment.</summary>
    public Task<HttpResponseMessage> EventsAsync(Dictionary<string, string[]> filters, long? sinceNano, CancellationToken cancellationToken, long? untilNano = null) =>
        client.OpenStreamAsync(
            HttpMethod.Get, $"/events?filters={Filters(filters)}{Moment("since", sinceNano)}{Moment("until", untilNano)}", null, options.CallTimeout, cancellationToken);

    /// <summary>The last lines of its output: the caller reads the stream, whose frames are <c>type 0 0 0 length</c> (four bytes, big-endian) and so many bytes.</summary>
    public Task<HttpResponseMessage> LogsAsync(string id, int lines, CancellationToken cancellationToken) => client.OpenStreamAsync(
        HttpMethod.Get, string.Create(CultureInfo.InvariantCulture, $"/containers/{id}/logs?stdout=true&stderr=true&tail={lines}"), null, options.CallTimeout, cancellationToken);

    /// <summary>What it uses now; null where it isn't there.</summary>
    public async Task<ContainerStats?> StatsAsync(string id, CancellationToken cancellationToken)
    {
        try
        {
            return await client.ReadAsync(HttpMethod.Get, $"/containers/{id}/stats?stream=false&one-shot=true", DockerJson.Default.ContainerStats, cancellationToken);
        }
        catch (DockerErrorException e) when (e.IsNotFound || e.IsConflict)
        {
            return null;
        }
    }

    /// <inheritdoc cref="DockerClient.Broken"/>
    public RuntimeUnavailableException Broken(string path, Exception cause) => client.Broken(path, cause);

    public void Dispose() => client.Dispose();

    private static string Moment(string name, long? nano) =>
        nano is { } at ? string.Create(CultureInfo.InvariantCulture, $"&{name}={at / 1_000_000_000}.{at % 1_000_000_000:D9}") : "";

    private static string Filters(Dictionary<string, string[]> filters) =>
        Uri.EscapeDataString(Encoding.UTF8.GetString(JsonSerializer.SerializeToUtf8Bytes(filters, DockerJson.Default.DictionaryStringStringArray)));
}
