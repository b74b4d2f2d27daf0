namespace Plane.DroneHost.Runtimes.Docker;

// What is removed once it is old.
public sealed partial class DockerRuntime
{
    /// <inheritdoc/>
    public async Task<int> PruneAsync(TimeSpan age, CancellationToken cancellationToken)
    {
        var before = _time.GetUtcNow() - age;
        int removed;
        try
        {
            removed = _ended.Prune(before, OnNotRemoved);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new RuntimeFailureException($"What is kept of ended containers cannot be removed: {e.Message}", e);
        }

        if (_options.PruneImages)
        {
            await PruneImagesAsync(before, cancellationToken);
        }

        return removed;
    }

    private void OnNotRemoved(string directory, Exception e)
    {
        if (_notRemoved.TryAdd(directory, 0))
        {
            LogNotRemoved(directory, e.Message);
        }
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
            // A second prune at the same time is refused by the engine; the next round repeats it.
            LogImagesNotPruned(e.Message);
        }
    }
}
