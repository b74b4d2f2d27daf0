using Orleans;
using Orleans.Concurrency;
using Plane.Grains.Storage;

namespace Plane.Grains.Clusters;

/// <summary>
/// One cluster: placement and state.
/// <para>
/// The picture of the drones is read at most every <see cref="s_fresh"/> and by concurrent picks together; between two reads each pick counts as
/// load. It is a hint: the acquisition checks the drone again, and what says "none" is always a read that began after the question.
/// So each silo has a picture of its own, where the keys are that ask for it: one for all silos would be asked by every acquisition of the cluster.
/// </para>
/// </summary>
[StatelessWorker(1)]
internal sealed class ClusterGrain(IPlaneStore store, TimeProvider time) : Grain, IClusterGrain
{
    // Long enough that a burst of connects reads once, short enough that a drone's load is close to what it is.
    private static readonly TimeSpan s_fresh = TimeSpan.FromMilliseconds(250);

    private ClusterName _cluster;
    private Picture? _picture;
    private Reading? _reading;
    private StateReading? _stateReading;

    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        _cluster = ClusterName.Parse(this.GetPrimaryKeyString());
        return Task.CompletedTask;
    }

    public async Task<DroneName?> PickDrone(PlacementQuery query, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(query);
        var asked = time.GetTimestamp();

        // A drone that was tried turned out unfit: the picture is wrong somewhere, so it isn't used again.
        if (query.Exclude.Length == 0 && _picture is { } known && time.GetElapsedTime(known.ReadAt) < s_fresh && known.Pick(query) is { } picked)
        {
            return picked;
        }

        // A read that is under way serves all who come meanwhile, as long as it finds one.
        if (_reading is { Picture.IsCompleted: false } running
            && (await running.Picture.WaitAsync(cancellationToken).OrAskAgain()).Pick(query) is { } joined)
        {
            return joined;
        }

        return (await ReadAsync(asked, cancellationToken)).Pick(query);
    }

    /// <summary>
    /// One read at a time, however many ask: each connect that finds no drone asks, again and again while it waits for one. Who comes while a read is under way waits for
    /// its end and shares the next with all who came meanwhile, so that what is answered was read after the question.
    /// </summary>
    public async Task<ClusterState> ReadState(CancellationToken cancellationToken)
    {
        var asked = time.GetTimestamp();
        if (_stateReading is { State.IsCompleted: false } running)
        {
            // Its failure is the answer of those who asked for it.
            await ((Task)running.State).WaitAsync(cancellationToken)
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
            cancellationToken.ThrowIfCancellationRequested();
        }

        if (_stateReading is not { } reading || reading.BegunAt < asked)
        {
            reading = new StateReading(time.GetTimestamp(), store.ReadClusterAsync(_cluster, CancellationToken.None).Observed());
            _stateReading = reading;
        }

        return await reading.State.WaitAsync(cancellationToken).OrAskAgain();
    }

    private async Task<Picture> ReadAsync(long notBefore, CancellationToken cancellationToken)
    {
        if (_reading is not { } reading || reading.BegunAt < notBefore)
        {
            reading = new Reading(time.GetTimestamp(), ReadPictureAsync().Observed());
            _reading = reading;
        }

        return await reading.Picture.WaitAsync(cancellationToken).OrAskAgain();
    }

    // Not cancelled by the caller that happened to begin it: others wait for it too. The store bounds its statements.
    private async Task<Picture> ReadPictureAsync()
    {
        var begun = time.GetTimestamp();
        var picture = new Picture(begun, await store.ListCandidatesAsync(_cluster, CancellationToken.None));
        if (_picture is null || _picture.ReadAt <= begun)
        {
            _picture = picture;
        }

        return picture;
    }

    private sealed record Reading(long BegunAt, Task<Picture> Picture);

    private sealed record StateReading(long BegunAt, Task<ClusterState> State);

    private sealed class Picture(long readAt, IReadOnlyList<DroneCandidate> candidates)
    {
        private readonly Dictionary<DroneName, int> _picked = [];

        public long ReadAt { get; } = readAt;

        public DroneName? Pick(PlacementQuery query)
        {
            if (Placement.Pick(candidates, query, _picked, Random.Shared) is not { } candidate)
            {
                return null;
            }

            _picked[candidate.Drone] = _picked.GetValueOrDefault(candidate.Drone) + 1;
            return candidate.Drone;
        }
    }
}
