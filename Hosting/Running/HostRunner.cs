using System.Runtime.InteropServices;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.Runtime;

namespace Plane.Hosting;

/// <summary>
/// Runs the hosts of one program from start to exit code. SIGTERM, SIGINT and SIGHUP drain; a second one ends at once. A host that stops by itself takes the
/// others with it: half a program serves nobody. One per process, since signals belong to the process.
/// </summary>
public sealed partial class HostRunner : IDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly List<PosixSignalRegistration> _signals = [];
    private readonly TextWriter _error;
    private int _signalCount;
    private bool _ownsProcess;
    private ILogger? _log;
    private string? _unobserved;

    /// <summary>Makes one that writes to standard error.</summary>
    public HostRunner()
        : this(Console.Error)
    {
    }

    /// <summary>Makes one.</summary>
    /// <param name="error">Where the reason of a failed start or end is written.</param>
    public HostRunner(TextWriter error) => _error = error;

    /// <summary>Cancelled by the first signal.</summary>
    public CancellationToken Stopping => _stop.Token;

    /// <summary>
    /// Takes what belongs to the process: its signals, and the failures of tasks that nobody looked at. Before anything slow, so that a signal during the start is
    /// heard.
    /// </summary>
    public HostRunner ListenToSignals()
    {
        _ownsProcess = true;
        _signals.Add(PosixSignalRegistration.Create(PosixSignal.SIGTERM, OnSignal));
        _signals.Add(PosixSignalRegistration.Create(PosixSignal.SIGINT, OnSignal));
        _signals.Add(PosixSignalRegistration.Create(PosixSignal.SIGHUP, OnSignal));
        return this;
    }

    /// <summary>Starts the hosts in order, waits for a signal or for one of them to end, stops them in reverse order.</summary>
    /// <param name="hosts">The hosts. They are disposed of.</param>
    /// <returns>What the program exits with.</returns>
    public Task<int> RunAsync(params IHost[] hosts) => RunAsync(hosts, whileRunning: null);

    /// <summary>As <see cref="RunAsync(IHost[])"/>, with something to do while the hosts run, as the demo has.</summary>
    /// <param name="hosts">The hosts. They are disposed of.</param>
    /// <param name="whileRunning">Runs once all have started; its end does not end the hosts, its failure does.</param>
    public async Task<int> RunAsync(IReadOnlyList<IHost> hosts, Func<CancellationToken, Task>? whileRunning)
    {
        ArgumentNullException.ThrowIfNull(hosts);
        if (_ownsProcess)
        {
            _log = hosts.Count == 0 ? null : hosts[0].Services.GetService<ILoggerFactory>()?.CreateLogger<HostRunner>();
            TaskScheduler.UnobservedTaskException += OnUnobserved;
        }

        var started = new List<IHost>();
        IHost? starting = null;
        var code = ExitCodes.Done;
        try
        {
            foreach (var host in hosts)
            {
                starting = host;
                await host.StartAsync(_stop.Token).ConfigureAwait(false);
                started.Add(host);
                starting = null;
            }

            var companion = whileRunning?.Invoke(_stop.Token);
            await WaitForEndAsync(hosts, companion).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            // A signal during the start: what has started is stopped below.
        }
        catch (Exception e)
        {
            code = Explain(e, starting);
        }

        // As the platform has it: a host whose start failed is disposed of, not stopped. Its services are in no state to be stopped.
        if (starting is not null)
        {
            code = Worse(code, ExitOf(starting));
            code = Worse(code, await DisposeAsync(starting).ConfigureAwait(false));
        }

        foreach (var host in Enumerable.Reverse(started))
        {
            code = Worse(code, await StopAsync(host).ConfigureAwait(false));
        }

        TaskScheduler.UnobservedTaskException -= OnUnobserved;
        if (_unobserved is { } lost)
        {
            Say(_error, lost);
            code = Worse(code, ExitCodes.Refused);
        }

        return code;
    }

    /// <summary>What a program exits with after an exception, having said why on standard error.</summary>
    /// <param name="e">What stopped it.</param>
    /// <param name="error">Where to say so.</param>
    /// <returns>The exit code, or <see langword="null"/> for an exception that nobody foresaw.</returns>
    public static int? TryExplain(Exception e, TextWriter error)
    {
        ArgumentNullException.ThrowIfNull(error);
        switch (e)
        {
            case UsageException usage:
                foreach (var problem in usage.Problems)
                {
                    Say(error, problem);
                }

                return ExitCodes.Usage;
            case Microsoft.Extensions.Options.OptionsValidationException invalid:
                foreach (var problem in invalid.Failures)
                {
                    Say(error, problem);
                }

                return ExitCodes.Usage;
            case StartRefusedException refused:
                Say(error, refused.Message);
                return refused.ExitCode;
            case OrleansConfigurationException engine:
                Say(error, engine.Message);
                return ExitCodes.Refused;
            case AggregateException { InnerExceptions: [var only] }:
                return TryExplain(only, error);
            default:
                return null;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _signals.ForEach(s => s.Dispose());
        _stop.Dispose();
    }

    private async Task WaitForEndAsync(IReadOnlyList<IHost> hosts, Task? companion)
    {
        var end = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var registrations = new List<CancellationTokenRegistration> { _stop.Token.Register(end.SetResultOnce) };
        registrations.AddRange(hosts.Select(h =>
            h.Services.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping.Register(end.SetResultOnce)));
        try
        {
            if (companion is not null && await Task.WhenAny(end.Task, companion).ConfigureAwait(false) == companion)
            {
                await companion.ConfigureAwait(false);
            }

            await end.Task.ConfigureAwait(false);
            await _stop.CancelAsync().ConfigureAwait(false);
            if (companion is not null)
            {
                await companion.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
        finally
        {
            registrations.ForEach(r => r.Dispose());
        }
    }

    // Never throws: the hosts after this one have to be stopped too.
    private async Task<int> StopAsync(IHost host)
    {
        var code = ExitCodes.Done;
        ILogger? logger = null;
        try
        {
            logger = host.Services.GetService<ILoggerFactory>()?.CreateLogger<HostRunner>();
            await host.StopAsync().ConfigureAwait(false);
        }
        catch (Exception e)
        {
            if (logger is not null)
            {
                LogStopFailed(logger, e);
            }

            code = ExitCodes.Refused;
        }

        try
        {
            code = Worse(code, WhyEnded(host));
        }
        catch (Exception e)
        {
            Say(_error, $"failed while stopping: {e.Message}");
            code = Worse(code, ExitCodes.Refused);
        }

        return Worse(code, await DisposeAsync(host).ConfigureAwait(false));
    }

    private async Task<int> DisposeAsync(IHost host)
    {
        try
        {
            if (host is IAsyncDisposable disposable)
            {
                await disposable.DisposeAsync().ConfigureAwait(false);
            }
            else
            {
                host.Dispose();
            }
        }
        catch (Exception e)
        {
            // Its logging may be gone already.
            Say(_error, $"failed while stopping: {e.Message}");
            return ExitCodes.Refused;
        }

        return ExitCodes.Done;
    }

    // As the operator's commands: beside others in a terminal or a journal, a line says whose it is.
    private static void Say(TextWriter error, string what) => error.WriteLine("plane: " + what);

    private int WhyEnded(IHost host)
    {
        var code = ExitCodes.Done;
        foreach (var service in host.Services.GetServices<IHostedService>().OfType<BackgroundService>())
        {
            if (service.ExecuteTask is { IsFaulted: true, Exception: { } fault })
            {
                var cause = fault.InnerException ?? fault;
                if (TryExplain(cause, _error) is { } explained)
                {
                    code = Worse(code, explained);
                }
                else
                {
                    Say(_error, $"{service.GetType().Name} failed: {cause.Message}");
                    code = Worse(code, ExitCodes.Refused);
                }
            }
        }

        return Worse(code, ExitOf(host));
    }

    private int ExitOf(IHost host)
    {
        if (host.Services.GetService<HostExit>() is not { Reason: { } reason } exit)
        {
            return ExitCodes.Done;
        }

        Say(_error, reason);
        return exit.Code;
    }

    private int Explain(Exception e, IHost? starting)
    {
        if (TryExplain(e, _error) is { } code)
        {
            return code;
        }

        if (starting?.Services.GetService<ILoggerFactory>() is { } loggers)
        {
            LogFailed(loggers.CreateLogger<HostRunner>(), e);
        }

        Say(_error, $"failed: {e.Message}");
        return ExitCodes.Refused;
    }

    // The first failure says most; a refusal by usage is kept over a plain one that follows from it.
    private static int Worse(int first, int second) => first == ExitCodes.Done ? second : first;

    private void OnSignal(PosixSignalContext context)
    {
        context.Cancel = true;
        if (Interlocked.Increment(ref _signalCount) > 1)
        {
            Environment.Exit(128 + context.Signal switch
            {
                PosixSignal.SIGHUP => 1,
                PosixSignal.SIGINT => 2,
                _ => 15,
            });
        }

        _stop.Cancel();
    }

    private void OnUnobserved(object? sender, UnobservedTaskExceptionEventArgs e)
    {
        e.SetObserved();
        if (FaultOf(e.Exception) is { } fault)
        {
            Interlocked.CompareExchange(ref _unobserved, $"a task failed unobserved: {fault}", null);
            _stop.Cancel();
        }
        else if (_log is { } log && OfOurs(e.Exception).FirstOrDefault() is { } left)
        {
            LogLeft(log, left.Message);
        }
    }

    /// <summary>
    /// What among the failures of a task that nobody looked at is a fault of ours, which ends the program as a dead service does. Libraries leave some behind by
    /// design (a connection attempt that lost its race), recognised by having no frame of ours. And a call that got no answer, or a database that is away, says
    /// nothing about this program, however it was lost: ending every connection for it would make a small thing big.
    /// </summary>
    internal static Exception? FaultOf(AggregateException e) =>
        OfOurs(e).FirstOrDefault(x => x is not (OperationCanceledException or IOutsideFailure) && !CallFailed.IsUnknownOutcome(x));

    private static IEnumerable<Exception> OfOurs(AggregateException e) =>
        e.Flatten().InnerExceptions.Where(x => x.StackTrace?.Contains("   at Plane.", StringComparison.Ordinal) == true);

    [LoggerMessage(EventIds.HostRunnerFailed, LogLevel.Critical, "failed")]
    private static partial void LogFailed(ILogger logger, Exception exception);

    [LoggerMessage(EventIds.HostRunnerStopFailed, LogLevel.Error, "failed while stopping")]
    private static partial void LogStopFailed(ILogger logger, Exception exception);

    [LoggerMessage(EventIds.HostRunnerLeft, LogLevel.Warning, "a call failed that nobody waited for any more: {Reason}")]
    private static partial void LogLeft(ILogger logger, string reason);
}

file static class Completion
{
    public static void SetResultOnce(this TaskCompletionSource source) => source.TrySetResult();
}
