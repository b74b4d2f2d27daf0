using System.Collections.Concurrent;
using Plane.Storage;

namespace Plane.Grains.Services;

/// <summary>
/// The services that this controller has read lately, so that a connect to a backend that runs does not read its service again. What is remembered may be out of date for
/// <see cref="s_kept"/>: no rule depends on it, since an acquisition compares the version that it starts a backend by (<see cref="AcquireOutcome.ServiceChanged"/>). What
/// does not exist is not remembered; of more than <see cref="ServiceLimits.MaxServices"/> some were deleted, and those that were not asked for lately go. Thread-safe.
/// </summary>
internal sealed class ServiceDirectory(IServiceStore store, TimeProvider time)
{
    private static readonly TimeSpan s_kept = TimeSpan.FromSeconds(1);

    private readonly ConcurrentDictionary<ServiceName, (ServiceDefinition Service, long ReadAt)> _known = new();

    /// <summary>How many are remembered.</summary>
    public int Count => _known.Count;

    /// <summary>A service, or null.</summary>
    public async ValueTask<ServiceDefinition?> FindAsync(ServiceName service, CancellationToken cancellationToken)
    {
        if (_known.TryGetValue(service, out var known) && time.GetElapsedTime(known.ReadAt) < s_kept)
        {
            return known.Service;
        }

        var readAt = time.GetTimestamp();
        if (await store.FindServiceAsync(service, cancellationToken) is not { } found)
        {
            _known.TryRemove(service, out _);
            return null;
        }

        _known[service] = (found, readAt);
        if (_known.Count > ServiceLimits.MaxServices)
        {
            foreach (var old in _known.Where(k => time.GetElapsedTime(k.Value.ReadAt) >= s_kept))
            {
                _known.TryRemove(old);
            }
        }

        return found;
    }

    /// <summary>The next look reads it again: it was changed here, or is known to be out of date.</summary>
    public void Forget(ServiceName service) => _known.TryRemove(service, out _);
}
