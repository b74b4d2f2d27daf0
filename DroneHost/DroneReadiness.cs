using Plane.Drone.State;

namespace Plane.Drone;

/// <summary>
/// Whether the drone takes actions: its state and its leases can be written, a guard looks after them, what ran before is adopted, and a runtime answers. And whether it
/// takes backends: where it does, and has a port for another one.
/// </summary>
internal sealed class DroneReadiness(DurableState state, DroneStatus status)
{
    private readonly TaskCompletionSource _first = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile bool _adopted;
    private volatile bool _runtimesAnswer;
    private volatile bool _isGuarded;
    private volatile bool _leasesAreWritten = true;
    private volatile bool _isShortOfPorts;

    /// <summary>Raised when <see cref="IsReady"/> or <see cref="TakesBackends"/> may have changed.</summary>
    public event Action? Changed;

    /// <summary>What it can run.</summary>
    public ExecutorKind[] Kinds { get; private set; } = [];

    /// <summary>Completes when it is ready for the first time.</summary>
    public Task WhenFirstReady => _first.Task;

    public bool IsReady => _adopted && _runtimesAnswer && _isGuarded && _leasesAreWritten && state.Writer.IsWritable;

    /// <summary>What the controller is told: whether it may send backends. One that is short of ports still does all else that it is told.</summary>
    public bool TakesBackends => IsReady && !_isShortOfPorts;

    public void SetKinds(IEnumerable<ExecutorKind> kinds) => Kinds = [.. kinds.Order()];

    public void SetAdopted()
    {
        _adopted = true;
        Notify();
    }

    public void SetRuntimesAnswer(bool answer)
    {
        if (_runtimesAnswer != answer)
        {
            _runtimesAnswer = answer;
            Notify();
        }
    }

    public void SetShortOfPorts(bool isShort)
    {
        _isShortOfPorts = isShort;
        Notify();
    }

    public void SetGuarded(bool isGuarded)
    {
        _isGuarded = isGuarded;
        Notify();
    }

    public void SetLeasesWritten(bool areWritten)
    {
        _leasesAreWritten = areWritten;
        Notify();
    }

    public void Notify()
    {
        status.TakesActions = IsReady;
        if (IsReady)
        {
            _first.TrySetResult();
        }

        Changed?.Invoke();
    }
}
