using System.Globalization;
using Docker.DotNet.Models;

namespace Plane.DroneHost.Runtimes.Docker;

/// <summary>A step of a pull.</summary>
/// <param name="Text">In words.</param>
/// <param name="Percent">How far it is, 0 to 99.</param>
internal readonly record struct PullStep(string Text, int Percent);

/// <summary>Brings images by the pull policy. A pull that fails says so inside an answer that began with 200, which is read to its end.</summary>
internal sealed class ImagePuller(DockerCalls docker, DockerRuntimeOptions options, TimeProvider time)
{
    private static readonly TimeSpan ProgressEvery = TimeSpan.FromMilliseconds(500);

    /// <summary>Makes sure that the image is there.</summary>
    public async Task EnsureAsync(ImageReference image, PullPolicy policy, RegistryCredentials? credentials, Action<PullStep>? progress, CancellationToken cancellationToken)
    {
        if (policy != PullPolicy.Always && await docker.HasImageAsync(image, cancellationToken))
        {
            return;
        }

        if (policy == PullPolicy.Never)
        {
            throw new RuntimeFailureException($"The image {image.Text} is not on this drone, and its pull policy is never.");
        }

        progress?.Invoke(new PullStep($"pulling {image.Text}", 0));
        await PullAsync(image, credentials, progress, cancellationToken);
        if (!await docker.HasImageAsync(image, cancellationToken))
        {
            throw new RuntimeFailureException($"The pull of image {image.Text} succeeded, but the engine does not have the image. Check whether another program removes images.");
        }
    }

    private async Task PullAsync(ImageReference image, RegistryCredentials? credentials, Action<PullStep>? progress, CancellationToken cancellationToken)
    {
        var layers = new PullLayers();
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
            layers.Take(message);
            if (progress is not null && layers.HasDownloads && time.GetElapsedTime(reported) >= ProgressEvery)
            {
                reported = time.GetTimestamp();
                progress(new PullStep(
                    string.Create(CultureInfo.InvariantCulture, $"pulling {image.Text}: {layers.Megabytes:F1} of {layers.TotalMegabytes:F1} MB"), layers.Percent));
            }
        }
    }

    private static RuntimeFailureException Failed(ImageReference image, string reason, Exception? cause = null) =>
        new($"The image {image.Text} cannot be pulled: {RuntimeText.Shown(reason)}", cause!);

    private static AuthConfig? AuthOf(ImageReference image, RegistryCredentials? credentials) =>
        credentials is null ? null : new AuthConfig { Username = credentials.Username, Password = credentials.Password, ServerAddress = image.Registry };
}
