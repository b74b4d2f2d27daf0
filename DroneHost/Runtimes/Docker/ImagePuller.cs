using System.Globalization;
using Docker.DotNet.Models;

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
        var layers = new Dictionary<string, JSONProgress>(StringComparer.Ordinal);
        var reported = time.GetTimestamp();
        var received = false;
        string? error = null;
        using var idle = new CancellationTokenSource(options.PullIdleTimeout, time);
        try
        {
            await docker.PullAsync(image, AuthOf(image, credentials), OnMessage, idle, cancellationToken);
        }
        catch (DockerErrorException e)
        {
            throw Failed(image, e.Message);
        }
        catch (RuntimeUnavailableException) when (error is not null)
        {
            // The pull has failed before its stream broke: reported below.
        }
        catch (RuntimeUnavailableException e) when (received && idle.IsCancellationRequested)
        {
            throw Failed(image, string.Create(CultureInfo.InvariantCulture, $"nothing was received for {options.PullIdleTimeout.TotalSeconds} s"), e);
        }

        if (error is not null)
        {
            throw Failed(image, error);
        }

        void OnMessage(JSONMessage? message)
        {
            received = true;
            idle.CancelAfter(options.PullIdleTimeout);
            error ??= message?.Error?.Message;
            if (message is { Status: "Downloading", ID: { Length: < 200 } id, Progress: { Total: > 0 } layer } && (layers.Count < 1000 || layers.ContainsKey(id)))
            {
                layers[id] = layer;
            }

            if (progress is not null && layers.Count > 0 && time.GetElapsedTime(reported) >= ProgressEvery)
            {
                reported = time.GetTimestamp();
                progress(string.Create(
                    CultureInfo.InvariantCulture,
                    $"pulling {image.Text}: {MegabytesOf(layers, l => l.Current):F1} of {MegabytesOf(layers, l => l.Total):F1} MB"));
            }
        }
    }

    private static double MegabytesOf(Dictionary<string, JSONProgress> layers, Func<JSONProgress, long?> bytes) => layers.Values.Sum(l => (double)(bytes(l) ?? 0)) / 1e6;

    private static RuntimeFailureException Failed(ImageReference image, string reason, Exception? cause = null) =>
        new($"The image {image.Text} cannot be pulled: {RuntimeText.Shown(reason)}", cause!);

    private static AuthConfig? AuthOf(ImageReference image, RegistryCredentials? credentials) =>
        credentials is null ? null : new AuthConfig { Username = credentials.Username, Password = credentials.Password, ServerAddress = image.Registry };
}
