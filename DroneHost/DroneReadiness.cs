using System.Collections.Immutable;
using Plane.DroneHost.State;

namespace Plane.DroneHost;

/// <summary>
/// Whether the drone takes actions: its state and its leases can be written, a guard looks after them, and one of its runtimes is available, which means that it answers and that what it ran
/// before is adopted. And whether it takes backends: where it does, and has a port and file descriptors for another one. Of several runtimes those that are available are served; which are not is reported.
/// </summary>
internal sealed class DroneReadiness(DurableState state, DroneStatus status)
{
    private readonly TaskCompletionSource _first = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _gate = new();
    private volatile Runtimes _runtimes = new([], [], []);
    private volatile bool _isGuarded;
    private volatile bool _leasesAreWritten = true;
    private volatile bool _isShortOfPorts;
    private volatile bool _isShortOfDescriptors;

    /// <summary>Raised when <see cref="IsReady"/>, <see cref="TakesBackends"/> or <see cref="Kinds"/> may have changed.</summary>
    public event Action? Changed;

    /// <summary>What it can run now. While that is nothing, all that it is meant to run: a drone must name something.</summary>
    public ExecutorKind[] Kinds => _runtimes.Available is { Length: > 0 } available ? available : _runtimes.Chosen;

    /// <summary>What it is meant to run and cannot now, beside something that it can.</summary>
    public ExecutorKind[] UnavailableKinds => [.. _runtimes.Chosen.Except(Kinds)];

    /// <summary>Completes when it is ready for the first time.</summary>
    public Task WhenFirstReady => _first.Task;

    public bool IsReady => (_first.Task.IsCompleted || _runtimes.IsSettled) && _runtimes.Available.Length > 0 && _isGuarded && _leasesAreWritten && state.Writer.IsWritable;

    /// <summary>Reported to the controller: whether it may send backends. A drone that is short of ports or file descriptors still carries out all other actions.</summary>
    public bool TakesBackends => IsReady && !_isShortOfPorts && !_isShortOfDescriptors;

    public void SetKinds(IEnumerable<ExecutorKind> kinds) => _runtimes = new([.. kinds.Order()], [], []);

    /// <summary>What a runtime ran before is adopted.</summary>
    public void SetAdopted(ExecutorKind kind) => Change(r => r with { Adopted = r.Adopted.Add(kind) });

    public void SetAnswers(ExecutorKind kind, bool answers) => Change(r => r with { Answers = r.Answers.SetItem(kind, answers) });

    public void SetShortOfPorts(bool isShort)
    {
        _isShortOfPorts = isShort;
        Notify();
    }

    public void SetShortOfDescriptors(bool isShort)
    {
        _isShortOfDescriptors = isShort;
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

    private void Change(Func<Runtimes, Runtimes> change)
    {
        lock (_gate)
        {
            var before = _runtimes;
            _runtimes = change(before);
            if (_runtimes.IsSettled == before.IsSettled && _runtimes.Available.SequenceEqual(before.Available))
            {
                return;
            }
        }

        Notify();
    }

    private sealed record Runtimes(ExecutorKind[] Chosen, ImmutableDictionary<ExecutorKind, bool> Answers, ImmutableHashSet<ExecutorKind> Adopted)
    {
        public ExecutorKind[] Available => [.. Chosen.Where(k => Answers.GetValueOrDefault(k) && Adopted.Contains(k))];

        /// <summary>Whether each was asked and, where it answers, is adopted: so that one that is merely slower than another is not reported as unavailable when the drone starts.</summary>
        public bool IsSettled => Chosen.All(k => Answers.TryGetValue(k, out var answers) && (!answers || Adopted.Contains(k)));
    }
}
