namespace Plane.DroneHost.Runtimes;

/// <summary>A runtime whose backends are made of images, which it can bring before they are needed. Safe to call for several images at once.</summary>
public interface IImageRuntime
{
    /// <summary>Makes sure that an image is there, by its pull policy.</summary>
    /// <param name="image">The image.</param>
    /// <param name="progress">Called with how far a pull is, 0 to 99.</param>
    /// <param name="cancellationToken">Gives it up.</param>
    /// <exception cref="RuntimeFailureException">It can't be brought; the message says why.</exception>
    /// <exception cref="RuntimeUnavailableException">The runtime doesn't answer.</exception>
    Task BringAsync(WantedImage image, Action<int> progress, CancellationToken cancellationToken);
}
