using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Plane.Grains.Feed;
using Plane.Storage;

namespace Plane.Grains.Services;

/// <summary>
/// Which images drones are to have before they are needed: those of the services with <see cref="ServiceConfig.Prepull"/>. Every drone asks for them all the time, so the
/// services are read after each change of one, and at least every <see cref="s_kept"/>, by all that ask together. Thread-safe.
/// </summary>
internal sealed class WantedImages : IDisposable
{
    private static readonly TimeSpan s_kept = TimeSpan.FromSeconds(30);

    private readonly TimeProvider _time;
    private readonly SharedRead<Picture> _reads;
    private readonly FeedSubscription _changes;
    private Picture? _latest;
    private long _changedAt;

    public WantedImages(IImageStore store, ChangeFeed feed, TimeProvider time)
    {
        _time = time;
        _changes = feed.Subscribe(Topic.Services);
        _reads = new SharedRead<Picture>(
            async () =>
            {
                var begun = time.GetTimestamp();
                return _latest = new Picture(begun, await store.ListPrepullAsync(CancellationToken.None));
            },
            time);
    }

    /// <summary>What a drone is to have.</summary>
    /// <param name="cluster">Its cluster.</param>
    /// <param name="pool">Its pool.</param>
    /// <param name="isChanged">Whether the caller knows of a change of a service.</param>
    /// <param name="cancellationToken">Gives up waiting.</param>
    public async Task<IReadOnlyList<WantedImage>> ReadAsync(ClusterName cluster, string pool, bool isChanged, CancellationToken cancellationToken)
    {
        // The caller may have been signalled a moment before this.
        if (_changes.TakeSignal() || isChanged)
        {
            Volatile.Write(ref _changedAt, _time.GetTimestamp());
        }

        var changedAt = Volatile.Read(ref _changedAt);
        var picture = Volatile.Read(ref _latest) is { } latest && latest.ReadAt >= changedAt && _time.GetElapsedTime(latest.ReadAt) < s_kept
            ? latest
            : await _reads.ReadAsync(cancellationToken);
        return Of(picture.Services.Where(s => ServiceConnector.IsIn(s, cluster) && s.Config.SpawnConfig.Pool == pool));
    }

    /// <inheritdoc/>
    public void Dispose() => _changes.Dispose();

    /// <summary>Whether a service's image is to be on a drone.</summary>
    public static bool IsOn(ServiceDefinition service, DroneImages drone) =>
        service.Config is { Prepull: true, SpawnConfig: { Executable.Image: not null } spawn } && ServiceConnector.IsIn(service, drone.Cluster) && spawn.Pool == drone.Pool;

    /// <summary>Names a list of images: equal ones alike on every controller, and no secret can be read from it.</summary>
    public static string VersionOf(IReadOnlyList<WantedImage> images) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(JsonSerializer.Serialize(images))));

    // Two services may have one image: it is pulled once, with the credentials of the first that has any, and as often as the one that wants it most often.
    private static IReadOnlyList<WantedImage> Of(IEnumerable<ServiceDefinition> services) =>
    [
        .. services
            .Where(s => s.Config.SpawnConfig.Executable.Image is not null)
            .GroupBy(s => s.Config.SpawnConfig.Executable.Image!, StringComparer.Ordinal)
            .Select(g => new WantedImage
            {
                Image = g.Key,
                PullPolicy = PolicyOf([.. g.Select(s => s.Config.SpawnConfig.Executable.PullPolicy ?? PullPolicy.IfNotPresent)]),
                Credentials = g.Select(s => s.Config.SpawnConfig.Executable.Credentials).FirstOrDefault(c => c is not null),
                Revision = g.Max(s => s.Version),
            })
            .Take(ImagePage.MaxImages),
    ];

    private static PullPolicy PolicyOf(PullPolicy[] policies) =>
        policies.Contains(PullPolicy.Always) ? PullPolicy.Always : policies.Contains(PullPolicy.IfNotPresent) ? PullPolicy.IfNotPresent : PullPolicy.Never;

    private sealed record Picture(long ReadAt, IReadOnlyList<ServiceDefinition> Services);
}
