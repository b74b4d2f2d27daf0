namespace Plane.DroneHost;

/// <summary>What the drone's host shows of it: written by the agent, read by the code that runs the host.</summary>
public sealed class DroneStatus
{
    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Completes once the drone is registered and takes actions for the first time.</summary>
    public Task WhenReady => _ready.Task;

    /// <summary>Its name, once the state file is open.</summary>
    public DroneName? Name { get; internal set; }

    /// <summary>Its instance id, once the state file is open.</summary>
    public string? InstanceId { get; internal set; }

    /// <summary>Whether it takes actions now: the state file can be written and its runtimes answer.</summary>
    public bool TakesActions { get; internal set; }

    internal void MarkReady() => _ready.TrySetResult();
}
