using System.Globalization;
using System.Text.Json;

namespace Plane.Drone.Runtimes.Docker;

/// <summary>Brings images by the pull policy. A pull that fails says so inside an answer that began with 200, which is read to its end.</summary>
internal sealed class ImagePuller(DockerCalls docker, DockerRuntimeOptions options, TimeProvider time)
{
    private static readonly TimeSpan ProgressEvery = TimeSpan.FromMilliseconds(500);

    /// <summary>Makes sure that the image is there.</summary>
    public async Task EnsureAsync(ImageReference image, PullPolicy policy, RegistryCredentials? credentials, Action<string>? progress, CancellationToken cancellationToken)
    {
        if (policy != PullPolicy.Always && await docker.HasImageAsync(image, cancellationToken))
        {
            return;
        }

        if (policy == PullPolicy.Never)
        {
            throw new RuntimeFailureException($"The image {image.Text} is not on this drone, and its pull policy is never.");
        }

        progress?.Invoke($"pulling {image.Text}");
        await PullAsync(image, credentials, progress, cancellationToken);
        if (!await docker.HasImageAsync(image, cancellationToken))
        {
            throw new RuntimeFailureException($"The image {image.Text} was pulled and is not there.");
        }
    }

    private async Task PullAsync(ImageReference image, RegistryCredentials? credentials, Action<string>? progress, CancellationToken cancellationToken)
    {
        HttpResponseMessage response;
        try
        {
            response = await docker.PullAsync(image, Auth(image, credentials), cancellationToken);
        }
        catch (DockerErrorException e)
        {
            throw Failed(image, e.Message);
        }

        using (response)
        {
            using var idle = new CancellationTokenSource(options.PullIdleTimeout, time);
            using var linked = CancellationTokenSource.CreateLinkedTokenSource(idle.Token, cancellationToken);
            try
            {
                await ReadAsync(image, response, progress, idle, linked.Token);
            }
            catch (Exception e) when (DockerClient.IsTransport(e) && !cancellationToken.IsCancellationRequested)
            {
                throw idle.IsCancellationRequested
                    ? Failed(image, string.Create(CultureInfo.InvariantCulture, $"nothing was received for {options.PullIdleTimeout.TotalSeconds} s"))
                    : docker.Broken("/images/create", e);
            }
            catch (JsonException e)
            {
                throw docker.Broken("/images/create", e);
            }
        }
    }

    private async Task ReadAsync(ImageReference image, HttpResponseMessage response, Action<string>? progress, CancellationTokenSource idle, CancellationToken cancellationToken)
    {
        var layers = new Dictionary<string, PullProgress>(StringComparer.Ordinal);
        var told = time.GetTimestamp();
        await using var stream = await response.Content.ReadAsStreamAsync(cancellationToken);
        var lines = new BoundedLines(stream);
        while (await lines.ReadAsync(cancellationToken) is { } line)
        {
            idle.CancelAfter(options.PullIdleTimeout);
            var message = JsonSerializer.Deserialize(line.Span, DockerJson.Default.PullMessage);
            if (message?.ErrorDetail?.Message is { } detail)
            {
                throw Failed(image, detail);
            }

            if (message?.Error is { } error)
            {
                throw Failed(image, error);
            }

            if (message is { Id: { Length: < 200 } id, Progress: { Total: > 0 } layer } && (layers.Count < 1000 || layers.ContainsKey(id)) && message.Status == "Downloading")
            {
                layers[id] = layer;
            }

            if (progress is not null && layers.Count > 0 && time.GetElapsedTime(told) >= ProgressEvery)
            {
                told = time.GetTimestamp();
                progress(string.Create(
                    CultureInfo.InvariantCulture,
                    $"pulling {image.Text}: {layers.Values.Sum(l => (double)l.Current) / 1e6:F1} of {layers.Values.Sum(l => (double)l.Total) / 1e6:F1} MB"));
            }
        }
    }

    private static RuntimeFailureException Failed(ImageReference image, string reason) =>
        new($"The image {image.Text} cannot be pulled: {RuntimeText.Shown(reason)}");

    // base64url with padding: what the engine's Go code decodes.
    private static string? Auth(ImageReference image, RegistryCredentials? credentials) =>
        credentials is null
            ? null
            : Convert.ToBase64String(JsonSerializer.SerializeToUtf8Bytes(
                    new RegistryAuth(credentials.Username, credentials.Password, image.Registry), DockerJson.Default.RegistryAuth))
                .Replace('+', '-').Replace('/', '_');
}
