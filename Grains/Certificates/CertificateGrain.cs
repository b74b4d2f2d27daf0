using Orleans;
using Plane.Grains.Feed;
using Plane.Grains.Storage;

namespace Plane.Grains.Certificates;

/// <summary>
/// One cluster's TXT values. Reads are answered from memory for at most a second, since a DNS server may be asked by anyone as often as they
/// like; a change that the feed tells of ends that second.
/// </summary>
internal sealed class CertificateGrain(IPlaneStore store, ChangeFeed feed, TimeProvider time) : Grain, ICertificateGrain
{
    private static readonly TimeSpan s_fresh = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan s_lifetime = TimeSpan.FromMinutes(10);

    private ClusterName _cluster;
    private FeedSubscription? _changes;
    private Reading? _reading;

    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        _cluster = ClusterName.Parse(this.GetPrimaryKeyString());
        _changes = feed.Subscribe(Topic.Txt(_cluster));
        return Task.CompletedTask;
    }

    public override Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken)
    {
        _changes?.Dispose();
        return Task.CompletedTask;
    }

    public async Task<string[]> ReadTxt(CancellationToken cancellationToken)
    {
        // Taking the signal before the read begins: a change during it is signalled anew and has the next caller read again.
        if (_changes!.TakeSignal() || _reading is not { } reading || reading.Values.IsFaulted || time.GetElapsedTime(reading.BegunAt) >= s_fresh)
        {
            // Not cancelled by the caller that happened to begin it: others wait for it too. The store bounds its statements.
            reading = new Reading(time.GetTimestamp(), store.ReadTxtAsync(_cluster, CancellationToken.None));
            _reading = reading;
        }

        return await reading.Values.WaitAsync(cancellationToken).OrAskAgain();
    }

    public async Task<FieldError?> SetTxt(TxtValues values, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(values);
        if (values.Validate() is { } error)
        {
            return error;
        }

        await store.SetTxtAsync(_cluster, values, s_lifetime, cancellationToken).OrAskAgain();

        // Who set them reads them back at once, also while the feed is behind.
        _reading = null;
        return null;
    }

    private sealed record Reading(long BegunAt, Task<string[]> Values);
}
