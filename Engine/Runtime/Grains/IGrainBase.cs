using Orleans.Runtime;

namespace Orleans
{
    /// <summary>What a grain class offers to the engine.</summary>
    public interface IGrainBase
    {
        /// <summary>The activation that the instance belongs to.</summary>
        IGrainContext GrainContext { get; }

        /// <summary>Runs before the first call.</summary>
        /// <param name="token">Cancelled when activation takes too long.</param>
        Task OnActivateAsync(CancellationToken token) => Task.CompletedTask;

        /// <summary>Runs after the last call.</summary>
        /// <param name="reason">Why the activation ends.</param>
        /// <param name="token">Cancelled when deactivation takes too long.</param>
        Task OnDeactivateAsync(DeactivationReason reason, CancellationToken token) => Task.CompletedTask;
    }

    /// <summary>What a grain can ask of its activation.</summary>
    public static class GrainBaseExtensions
    {
        /// <summary>Ends the activation once its running calls are done.</summary>
        /// <param name="grain">The grain.</param>
        public static void DeactivateOnIdle(this IGrainBase grain) => Context(grain).Deactivate(
            new DeactivationReason(DeactivationReasonCode.ApplicationRequested, $"{nameof(DeactivateOnIdle)} was called."));

        /// <summary>Runs a callback after a due time and then again and again; never two runs of one timer at once, the period counts from a run's end.</summary>
        /// <typeparam name="TState">The type of the state.</typeparam>
        /// <param name="grain">The grain.</param>
        /// <param name="callback">What to run; a turn of the grain like a call, unless the timer interleaves.</param>
        /// <param name="state">Handed to the callback.</param>
        /// <param name="options">When, and how it interleaves.</param>
        public static IGrainTimer RegisterGrainTimer<TState>(
            this IGrainBase grain, Func<TState, CancellationToken, Task> callback, TState state, GrainTimerCreationOptions options)
        {
            ArgumentNullException.ThrowIfNull(callback);
            return ((Activations.Activation)Context(grain)).AddTimer(ct => callback(state, ct), options);
        }

        /// <inheritdoc cref="RegisterGrainTimer{TState}(IGrainBase, Func{TState, CancellationToken, Task}, TState, GrainTimerCreationOptions)"/>
        public static IGrainTimer RegisterGrainTimer(this IGrainBase grain, Func<CancellationToken, Task> callback, GrainTimerCreationOptions options)
        {
            ArgumentNullException.ThrowIfNull(callback);
            return grain.RegisterGrainTimer(static (c, ct) => c(ct), callback, options);
        }

        /// <inheritdoc cref="RegisterGrainTimer{TState}(IGrainBase, Func{TState, CancellationToken, Task}, TState, GrainTimerCreationOptions)"/>
        public static IGrainTimer RegisterGrainTimer(this IGrainBase grain, Func<Task> callback, GrainTimerCreationOptions options)
        {
            ArgumentNullException.ThrowIfNull(callback);
            return grain.RegisterGrainTimer(static (c, _) => c(), callback, options);
        }

        /// <inheritdoc cref="RegisterGrainTimer{TState}(IGrainBase, Func{TState, CancellationToken, Task}, TState, GrainTimerCreationOptions)"/>
        public static IGrainTimer RegisterGrainTimer<TState>(this IGrainBase grain, Func<TState, Task> callback, TState state, GrainTimerCreationOptions options)
        {
            ArgumentNullException.ThrowIfNull(callback);
            return grain.RegisterGrainTimer(static (s, _) => s.callback(s.state), (callback, state), options);
        }

        /// <summary>Runs a callback after a due time and then again and again.</summary>
        /// <param name="grain">The grain.</param>
        /// <param name="callback">What to run.</param>
        /// <param name="dueTime">Until the first run.</param>
        /// <param name="period">From the end of a run to the next.</param>
        public static IGrainTimer RegisterGrainTimer(this IGrainBase grain, Func<Task> callback, TimeSpan dueTime, TimeSpan period) =>
            grain.RegisterGrainTimer(callback, new GrainTimerCreationOptions { DueTime = dueTime, Period = period });

        /// <inheritdoc cref="RegisterGrainTimer(IGrainBase, Func{Task}, TimeSpan, TimeSpan)"/>
        public static IGrainTimer RegisterGrainTimer(this IGrainBase grain, Func<CancellationToken, Task> callback, TimeSpan dueTime, TimeSpan period) =>
            grain.RegisterGrainTimer(callback, new GrainTimerCreationOptions { DueTime = dueTime, Period = period });

        /// <summary>Runs a callback after a due time and then again and again.</summary>
        /// <typeparam name="TState">The type of the state.</typeparam>
        /// <param name="grain">The grain.</param>
        /// <param name="callback">What to run.</param>
        /// <param name="state">Handed to the callback.</param>
        /// <param name="dueTime">Until the first run.</param>
        /// <param name="period">From the end of a run to the next.</param>
        public static IGrainTimer RegisterGrainTimer<TState>(this IGrainBase grain, Func<TState, Task> callback, TState state, TimeSpan dueTime, TimeSpan period) =>
            grain.RegisterGrainTimer(callback, state, new GrainTimerCreationOptions { DueTime = dueTime, Period = period });

        /// <inheritdoc cref="RegisterGrainTimer{TState}(IGrainBase, Func{TState, Task}, TState, TimeSpan, TimeSpan)"/>
        public static IGrainTimer RegisterGrainTimer<TState>(
            this IGrainBase grain, Func<TState, CancellationToken, Task> callback, TState state, TimeSpan dueTime, TimeSpan period) =>
            grain.RegisterGrainTimer(callback, state, new GrainTimerCreationOptions { DueTime = dueTime, Period = period });

        private static IGrainContext Context(IGrainBase grain)
        {
            ArgumentNullException.ThrowIfNull(grain);
            return grain.GrainContext;
        }
    }

    /// <summary>What can be asked of a grain or of a reference to one.</summary>
    public static class GrainExtensions
    {
        /// <summary>The key of the grain.</summary>
        /// <param name="grain">A grain or a reference.</param>
        public static string GetPrimaryKeyString(this IAddressable grain) => grain switch
        {
            Grain instance => instance.Activation.Key,
            Calls.GrainReference reference => reference.Key,
            null => throw new ArgumentNullException(nameof(grain)),
            _ => throw new ArgumentException($"{grain.GetType()} is neither a grain nor a reference to one", nameof(grain)),
        };
    }

    /// <summary>Why an activation ends.</summary>
    public enum DeactivationReasonCode : byte
    {
        /// <summary>No reason given.</summary>
        None,

        /// <summary>The silo shuts down.</summary>
        ShuttingDown,

        /// <summary><c>OnActivateAsync</c> or the constructor failed.</summary>
        ActivationFailed,

        /// <summary>Not used by the embedded engine.</summary>
        DirectoryFailure,

        /// <summary>Not called for the collection age.</summary>
        ActivationIdle,

        /// <summary>Not used by the embedded engine.</summary>
        ActivationUnresponsive,

        /// <summary>Not used by the embedded engine.</summary>
        DuplicateActivation,

        /// <summary>Not used by the embedded engine.</summary>
        IncompatibleRequest,

        /// <summary>Not used by the embedded engine.</summary>
        ApplicationError,

        /// <summary>The grain asked for it.</summary>
        ApplicationRequested,

        /// <summary>Not used by the embedded engine.</summary>
        Migrating,

        /// <summary>The engine asked for it: the silo lost its lock.</summary>
        RuntimeRequested,

        /// <summary>Not used by the embedded engine.</summary>
        HighMemoryPressure,
    }

    /// <summary>Why an activation ends, in a code and in words.</summary>
    public readonly struct DeactivationReason
    {
        /// <summary>A reason.</summary>
        /// <param name="code">The code.</param>
        /// <param name="text">The words.</param>
        public DeactivationReason(DeactivationReasonCode code, string text)
            : this(code, null, text)
        {
        }

        /// <summary>A reason with the exception behind it.</summary>
        /// <param name="code">The code.</param>
        /// <param name="exception">The exception.</param>
        /// <param name="text">The words.</param>
        public DeactivationReason(DeactivationReasonCode code, Exception? exception, string text)
        {
            ReasonCode = code;
            Description = text;
            Exception = exception;
        }

        /// <summary>The words.</summary>
        public string Description { get; }

        /// <summary>The code.</summary>
        public DeactivationReasonCode ReasonCode { get; }

        /// <summary>The exception behind it, if any.</summary>
        public Exception? Exception { get; }

        /// <inheritdoc/>
        public override string ToString() => Exception is null ? $"{ReasonCode}: {Description}" : $"{ReasonCode}: {Description} ({Exception})";
    }
}

namespace Orleans.Runtime
{
    /// <summary>The activation of a grain.</summary>
    public interface IGrainContext
    {
        /// <summary>The services of this activation.</summary>
        IServiceProvider ActivationServices { get; }

        /// <summary>Completes when the activation has ended.</summary>
        Task Deactivated { get; }

        /// <summary>Ends the activation once its running calls are done.</summary>
        /// <param name="deactivationReason">Why.</param>
        /// <param name="cancellationToken">Cuts the waiting for running calls and for <c>OnDeactivateAsync</c>.</param>
        void Deactivate(DeactivationReason deactivationReason, CancellationToken cancellationToken = default);
    }

    /// <summary>A timer of a grain. It ends with the activation at the latest.</summary>
    public interface IGrainTimer : IDisposable
    {
        /// <summary>Sets new times.</summary>
        /// <param name="dueTime">Until the next run.</param>
        /// <param name="period">From the end of that run to the next.</param>
        void Change(TimeSpan dueTime, TimeSpan period);
    }

    /// <summary>When a grain timer runs.</summary>
    public readonly struct GrainTimerCreationOptions()
    {
        /// <summary>A timer with these times.</summary>
        /// <param name="dueTime">Until the first run.</param>
        /// <param name="period">From the end of a run to the next.</param>
        [System.Diagnostics.CodeAnalysis.SetsRequiredMembers]
        public GrainTimerCreationOptions(TimeSpan dueTime, TimeSpan period)
            : this()
        {
            DueTime = dueTime;
            Period = period;
        }

        /// <summary>Until the first run; <see cref="Timeout.InfiniteTimeSpan"/>: not before <see cref="IGrainTimer.Change"/>.</summary>
        public required TimeSpan DueTime { get; init; }

        /// <summary>From the end of a run to the next; <see cref="Timeout.InfiniteTimeSpan"/>: once.</summary>
        public required TimeSpan Period { get; init; }

        /// <summary>Whether a run may interleave with calls. Default: it takes its turn.</summary>
        public bool Interleave { get; init; }

        /// <summary>Whether a run keeps the activation from being collected. Default: no.</summary>
        public bool KeepAlive { get; init; }
    }
}
