using Plane.DroneHost.Runtimes.Output;

namespace Plane.DroneHost.Runtimes;

/// <summary>
/// What carries backends out: a Docker engine, plain processes, or an executor of your own. The agent decides and remembers; a runtime only does. Every
/// member names a backend by its identity, may be repeated, and is safe to call for different backends at once.
/// <para>
/// Failures that the backend's owner should read about (missing image, refused pull, wrong credential, full disk, a limit that the engine can't set) are
/// <see cref="RuntimeFailureException"/>; <see cref="RuntimeUnavailableException"/> means that the runtime itself is unavailable and the call may be retried.
/// </para>
/// </summary>
public interface IContainerRuntime : IAsyncDisposable
{
    /// <summary>What it runs.</summary>
    ExecutorKind Kind { get; }

    /// <summary>How the guard ends a backend without the agent. By default it kills the process that <see cref="StartAsync"/> reported.</summary>
    GuardTarget TargetOf(BackendIdentity backend) => GuardTarget.ProcessOnly;

    /// <summary>
    /// The directories, as absolute paths, in which the guard finds processes of this runtime that run without a lease; each names this drone instance alone. Known once
    /// <see cref="CheckAsync"/> has completed. By default none.
    /// </summary>
    IReadOnlyList<string> GuardedPlaces => [];

    /// <summary>Completes if the runtime answers and can be used.</summary>
    /// <exception cref="RuntimeUnavailableException">It doesn't; the message says why.</exception>
    Task CheckAsync(CancellationToken cancellationToken);

    /// <summary>What the machine has that its backends run on, as far as it knows; null where that is this machine. GPUs are those that its backends can use.</summary>
    /// <exception cref="RuntimeUnavailableException">It doesn't answer.</exception>
    Task<RuntimeResources?> ReadResourcesAsync(CancellationToken cancellationToken) => Task.FromResult<RuntimeResources?>(null);

    /// <summary>Brings what is needed to start it (the image, by its pull policy).</summary>
    Task PrepareAsync(BackendStart start, CancellationToken cancellationToken);

    /// <summary>
    /// Creates it, looks whether it may still start, starts it. Looking between creating and starting, and the guard's marking before removing by name, is what
    /// makes a stall of this process between the two harmless.
    /// </summary>
    /// <returns>What runs, or null where <see cref="BackendStart.MayStart"/> said no and what was created is removed again.</returns>
    Task<StartedBackend?> StartAsync(BackendStart start, CancellationToken cancellationToken);

    /// <summary>Sends the stop signal and does not wait. Nothing happens where it doesn't run.</summary>
    Task SignalStopAsync(BackendIdentity backend, CancellationToken cancellationToken);

    /// <summary>Kills it. Completes once it was asked; <see cref="EnsureGoneAsync"/> makes sure.</summary>
    Task KillAsync(BackendIdentity backend, CancellationToken cancellationToken);

    /// <summary>
    /// Makes sure that nothing of it runs, and that nothing of it can be started again, be it by a request that is still on its way or by an operator: completes only
    /// once the runtime has said so. A running one is killed. Its output stays for <see cref="PruneAsync"/>.
    /// </summary>
    /// <returns>How it ended, as far as the runtime still knows.</returns>
    Task<BackendExit> EnsureGoneAsync(BackendIdentity backend, CancellationToken cancellationToken);

    /// <summary>All backends of this drone instance that the runtime knows of, running or not.</summary>
    Task<IReadOnlyList<FoundBackend>> ListAsync(CancellationToken cancellationToken);

    /// <summary>
    /// Ends what the runtime has of this drone (of earlier instances of it too) and what no supervisor supervises: started again behind the agent, found late, or a copy of
    /// a backend that is supervised. What this agent is starting is left alone.
    /// </summary>
    /// <param name="isSupervised">Whether a supervisor has the backend. Asked after the runtime has answered what there is.</param>
    /// <param name="cancellationToken">Gives it up.</param>
    /// <returns>What was ended.</returns>
    async Task<IReadOnlyList<BackendIdentity>> EndUnsupervisedAsync(Func<BackendIdentity, bool> isSupervised, CancellationToken cancellationToken)
    {
        var ended = new List<BackendIdentity>();
        foreach (var found in await ListAsync(cancellationToken))
        {
            if (found.State != FoundState.Exited && !isSupervised(found.Backend))
            {
                await EnsureGoneAsync(found.Backend, cancellationToken);
                ended.Add(found.Backend);
            }
        }

        return ended;
    }

    /// <summary>
    /// Raised when something of this drone may have begun to run that this agent did not start, so that <see cref="EndUnsupervisedAsync"/> is called at once. A runtime
    /// that cannot notice never raises it.
    /// </summary>
    event Action? StartedElsewhere
    {
        add { }
        remove { }
    }

    /// <summary>
    /// Reports each backend that exits, within a second. Where the runtime's event stream breaks it is opened again and followed by a listing, so that nothing is
    /// missed; an exit may be reported more than once.
    /// </summary>
    IAsyncEnumerable<BackendExit> WatchExitsAsync(CancellationToken cancellationToken);

    /// <summary>What backends use now; those that don't run are left out.</summary>
    Task<IReadOnlyList<BackendUsage>> ReadUsageAsync(IReadOnlyCollection<BackendIdentity> backends, CancellationToken cancellationToken);

    /// <summary>Removes what ended backends of this instance left behind, where they ended longer ago than the age.</summary>
    /// <returns>How many were removed.</returns>
    Task<int> PruneAsync(TimeSpan age, CancellationToken cancellationToken);

    /// <summary>
    /// Looks whether what listens at a backend's address is that backend and no other program. Asked when something answers there, before any request is routed to it, and now and
    /// then while nothing does. By default it is taken to be the backend.
    /// </summary>
    Task<ListenerLook> LookAtListenerAsync(BackendIdentity backend, string address, CancellationToken cancellationToken) => Task.FromResult(ListenerLook.Own);

    /// <summary>
    /// Of backends that run and are ready, those whose address another program has taken since, so that their requests would reach that program. Asked every few seconds for all of them at
    /// once, so it must be cheap where nothing has changed. A backend that merely stopped listening is not among them: it may listen again. By default none is.
    /// </summary>
    /// <param name="addresses">The backends, each with its address.</param>
    /// <param name="cancellationToken">Gives it up.</param>
    Task<IReadOnlyList<BackendIdentity>> FindDisplacedAsync(IReadOnlyDictionary<BackendIdentity, string> addresses, CancellationToken cancellationToken) =>
        Task.FromResult<IReadOnlyList<BackendIdentity>>([]);

    /// <summary>
    /// The end of what it wrote, as <see cref="OutputTail"/> has it; null where there is nothing or the runtime keeps no output. Asked for when it has ended, before
    /// <see cref="EnsureGoneAsync"/>. By default null.
    /// </summary>
    Task<string?> ReadOutputTailAsync(BackendIdentity backend, CancellationToken cancellationToken) => Task.FromResult<string?>(null);

    /// <summary>
    /// Reads lines that a backend wrote, oldest first, whether it runs or has ended, until <see cref="PruneAsync"/> removes them. Null where the runtime has no output of it. The lines end
    /// where the output does; with <see cref="OutputSelection.Follow"/> once the backend has ended too. By default null.
    /// </summary>
    /// <param name="backend">The backend.</param>
    /// <param name="selection">Which lines.</param>
    /// <param name="cancellationToken">Gives it up.</param>
    /// <exception cref="RuntimeUnavailableException">It can't be read now; also thrown while the lines are read.</exception>
    Task<IAsyncEnumerable<OutputLine>?> ReadOutputAsync(BackendIdentity backend, OutputSelection selection, CancellationToken cancellationToken) =>
        Task.FromResult<IAsyncEnumerable<OutputLine>?>(null);
}
