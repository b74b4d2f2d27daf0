using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Orleans.Calls;
using Orleans.Configuration;
using Orleans.Contract;
using Orleans.Runtime;

namespace Orleans.Activations;

/// <summary>
/// The grains of a silo: finds or makes the activation of a call. There is one silo, so this table is the whole directory.
/// </summary>
internal sealed partial class SiloRuntime(
    IServiceProvider services,
    TimeProvider time,
    IOptions<SiloMessagingOptions> messaging,
    IOptions<GrainCollectionOptions> collection,
    IOptions<EmbeddedEngineOptions> engine,
    ILogger<SiloRuntime> log) : ICallTransport
{
    /// <summary>How long running calls may go on after the silo began to stop, before their tokens are signalled.</summary>
    private static readonly TimeSpan StopGrace = TimeSpan.FromSeconds(1);

    private readonly ConcurrentDictionary<(GrainClass Class, string Key), Activation> _activations = new();
    private readonly ConcurrentDictionary<Task, byte> _owned = new();
    private readonly Lock _opening = new();
    private volatile string? _closed = "the silo has not started";
    private bool _closedForGood;

    public IServiceProvider Services => services;

    public TimeProvider Time => time;

    public GrainCollectionOptions Collection => collection.Value;

    public ILogger Log => log;

    /// <summary>Why calls are refused at the moment; null while they are served.</summary>
    public string? Closed => _closed;

    public int ActivationCount => _activations.Count;

    public Task<T> CallAsync<T>(MethodModel<T> method, string key, object?[] arguments, CancellationToken cancellation)
    {
        if (cancellation.IsCancellationRequested)
        {
            return Task.FromCanceled<T>(cancellation);
        }

        var copies = engine.Value.SerializeInProcessCalls;
        if (copies)
        {
            try
            {
                arguments = method.CopyArguments(arguments);
            }
            catch (Exception e) when (ExceptionWire.IsBadMessage(e))
            {
                return Task.FromException<T>(new OrleansMessageRejectionException($"the arguments of {method} can't travel: {e.Message}", e));
            }
        }

        if (method.IsOneWay)
        {
            Dispatch(new OneWayInvocation(method, key, arguments, OneWayFailed));
            return Task.FromResult(default(T)!);
        }

        var call = new PendingCall<T>(method, key, method.ResponseTimeout ?? messaging.Value.ResponseTimeout, cancellation);
        var invocation = new LocalInvocation<T>(call, arguments, copies, messaging.Value.CancelRequestOnTimeout);
        call.Owner = invocation;
        call.Arm(time);
        Dispatch(invocation);
        return call.Task;
    }

    /// <summary>Hands a call to its activation; refuses it while the silo doesn't serve.</summary>
    public void Dispatch(Invocation invocation)
    {
        var call = (CallInvocation)invocation;
        GrainClass grainClass;
        try
        {
            grainClass = ContractCatalog.Shared.ImplementationOf(call.Method.Interface);
        }
        catch (Exception e) when (e is OrleansException or OrleansConfigurationException)
        {
            call.Reject(e);
            return;
        }

        while (true)
        {
            if (_closed is { } reason)
            {
                call.Reject(new SiloUnavailableException(reason));
                return;
            }

            var id = (grainClass, call.Key);
            var activation = _activations.TryGetValue(id, out var found) ? found
                : _activations.GetOrAdd(id, static (id, silo) => new Activation(silo, id.Class, id.Key), this);
            if (activation.TryEnqueue(call))
            {
                // Closing may have passed this activation by between the look above and here.
                if (_closed is not null)
                {
                    activation.Deactivate(ShuttingDown);
                }

                return;
            }

            Remove(activation);
        }
    }

    public void Remove(Activation activation) => _activations.TryRemove(new((activation.Class, activation.Key), activation));

    /// <summary>Keeps a task that nobody awaits until it has ended, so that a stop can wait for it and its failure is told.</summary>
    public void Own(Task task)
    {
        if (task.IsCompletedSuccessfully)
        {
            return;
        }

        _owned.TryAdd(task, 0);
        task.ContinueWith(
            ended =>
            {
                _owned.TryRemove(ended, out _);
                if (ended.Exception is { } e)
                {
                    LogOwnedFailed(log, e);
                }
            },
            CancellationToken.None,
            TaskContinuationOptions.ExecuteSynchronously,
            TaskScheduler.Default);
    }

    /// <summary>Serves calls; not once the silo stops, whoever comes late.</summary>
    public bool TryOpen()
    {
        lock (_opening)
        {
            if (!_closedForGood)
            {
                _closed = null;
            }

            return !_closedForGood;
        }
    }

    /// <summary>Refuses calls from now on, and ends every activation. Cut short by the token, when what still runs is left behind.</summary>
    public async Task CloseAsync(string reason, DeactivationReasonCode code, CancellationToken hurry)
    {
        Refuse(reason, forGood: code == DeactivationReasonCode.ShuttingDown);
        var ending = new DeactivationReason(code, reason);
        var activations = _activations.Values.ToArray();
        foreach (var activation in activations)
        {
            activation.Deactivate(ending, hurry);
        }

        var all = Task.WhenAll(activations.Select(a => a.Deactivated));
        try
        {
            await Task.WhenAny(all, Task.Delay(StopGrace, time, hurry));
            if (!all.IsCompleted)
            {
                foreach (var activation in activations)
                {
                    activation.CancelRunning();
                }
            }

            await all.WaitAsync(hurry);
        }
        catch (OperationCanceledException)
        {
            LogCutShort(log, _activations.Count);
        }
    }

    /// <summary>Stops as a crash would: no grain hears of it.</summary>
    public void Kill()
    {
        Refuse("the silo was killed", forGood: true);
        foreach (var activation in _activations.Values)
        {
            Remove(activation);
            activation.Kill();
        }
    }

    /// <summary>Ends activations that nobody uses, until the token says stop.</summary>
    public async Task CollectAsync(CancellationToken stop)
    {
        using var timer = new PeriodicTimer(Collection.CollectionQuantum, time);
        try
        {
            while (await timer.WaitForNextTickAsync(stop))
            {
                foreach (var activation in _activations.Values)
                {
                    var type = activation.Class.Type;
                    activation.CollectIfIdle(Collection.ClassSpecificCollectionAge.GetValueOrDefault(type.FullName!, Collection.CollectionAge));
                }
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            LogCollectionEnded(log);
        }
    }

    private void Refuse(string reason, bool forGood)
    {
        lock (_opening)
        {
            _closedForGood |= forGood;
            _closed = reason;
        }
    }

    private DeactivationReason ShuttingDown => new(DeactivationReasonCode.ShuttingDown, _closed ?? "the silo stopped for a moment");

    private void OneWayFailed(MethodModel method, Exception e) => LogOneWayFailed(log, Told.Unforeseen(e), method, e.Message);

    [LoggerMessage(7010, LogLevel.Warning, "the one-way call {Method} failed: {Reason}")]
    private static partial void LogOneWayFailed(ILogger logger, Exception? e, MethodModel method, string reason);

    [LoggerMessage(7011, LogLevel.Warning, "the silo stops with {Count} activations left")]
    private static partial void LogCutShort(ILogger logger, int count);

    [LoggerMessage(7012, LogLevel.Error, "a task of the engine failed")]
    private static partial void LogOwnedFailed(ILogger logger, Exception e);

    [LoggerMessage(7013, LogLevel.Debug, "no more collection of idle activations")]
    private static partial void LogCollectionEnded(ILogger logger);
}
