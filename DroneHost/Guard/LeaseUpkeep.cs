using Plane.DroneHost.State;
using Plane.DroneHost.Supervision;

namespace Plane.DroneHost.Guard;

/// <summary>
/// Each second: leases that could not be written are written again, and the guard gets the places to look into. Once, the state file gets the run directory's path, for the next agent.
/// </summary>
internal sealed class LeaseUpkeep(LeaseDirectory files, RunDirectory directory, RuntimeSet runtimes, DurableState state, AdoptionLoop adoption, TimeProvider time)
{
    private static readonly TimeSpan s_every = TimeSpan.FromSeconds(1);

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        for (var isStored = false; ; await Task.Delay(s_every, time, cancellationToken))
        {
            files.RetryFailed();
            files.AddPlaces(runtimes.All.SelectMany(r => r.GuardedPlaces));
            try
            {
                // Only once everything that runs has its lease in it: until then the next agent has to read the former directory.
                if (!isStored && adoption.WhenDone.IsCompleted)
                {
                    await state.StoreRunDirectoryAsync(directory.Root);
                    isStored = true;
                }
            }
            catch (StateUnavailableException)
            {
                // The writer has logged it.
                isStored = false;
            }
        }
    }
}
