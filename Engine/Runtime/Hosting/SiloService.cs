using System.Net;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Orleans.Activations;
using Orleans.Configuration;
using Orleans.Contract;
using Orleans.Gateway;
using Orleans.Runtime;

namespace Orleans.Hosting;

/// <summary>
/// A silo's life: contract checked → lock taken → calls served → gateway open; on a stop the same backwards. While the lock is lost the gateway refuses and
/// no activation lives.
/// </summary>
internal sealed partial class SiloService(
    SiloRuntime runtime,
    GatewayServer gateway,
    TimeProvider time,
    IOptions<ClusterOptions> cluster,
    ILogger<SiloService> log,
    ISiloLock? siloLock = null) : IHostedService, IAsyncDisposable
{
    private const string LockLost = "the silo lost its lock on the database";

    private static readonly TimeSpan RetakeInterval = TimeSpan.FromSeconds(1);

    private readonly CancellationTokenSource _stopping = new();
    private Task _background = Task.CompletedTask;
    private int _disposed;

    /// <summary>Where the gateway listens, once it does.</summary>
    public IPEndPoint? Gateway => gateway.EndPoint;

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        if (string.IsNullOrWhiteSpace(cluster.Value.ClusterId) || string.IsNullOrWhiteSpace(cluster.Value.ServiceId))
        {
            throw new OrleansConfigurationException("ClusterId and ServiceId of ClusterOptions must not be blank");
        }

        ContractCatalog.Shared.Refresh();
        gateway.Validate();
        var lost = CancellationToken.None;
        if (siloLock is not null)
        {
            var attempt = await siloLock.TryTakeAsync(cancellationToken);
            lost = attempt.HeldBy is null ? attempt.Lost : throw new OrleansConfigurationException(
                $"another silo serves this database: {attempt.HeldBy}; the embedded engine runs one silo; build with -p:Engine=Orleans for more");
        }

        try
        {
            runtime.TryOpen();
            await gateway.StartAsync(cancellationToken);
        }
        catch
        {
            runtime.Kill();
            await ReleaseLockAsync(CancellationToken.None);
            throw;
        }

        _background = Task.WhenAll(runtime.CollectAsync(_stopping.Token), WatchLockAsync(lost));
        LogStarted(log, cluster.Value.ClusterId, gateway.EndPoint);
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        await _stopping.CancelAsync();
        if (cancellationToken.IsCancellationRequested)
        {
            // No time at all: the host is being killed.
            runtime.Kill();
            gateway.Abort();
        }
        else
        {
            await runtime.CloseAsync("the silo stops", DeactivationReasonCode.ShuttingDown, cancellationToken);
            await gateway.CloseConnectionsAsync("the silo stops");
        }

        await gateway.StopAsync();
        await _background;
        await ReleaseLockAsync(cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        // The container knows this object under two services, and disposes of it as often.
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
        {
            return;
        }

        await _stopping.CancelAsync();
        await gateway.DisposeAsync();
        _stopping.Dispose();
    }

    private Task ReleaseLockAsync(CancellationToken cancellationToken) => siloLock?.ReleaseAsync(cancellationToken) ?? Task.CompletedTask;

    private async Task WatchLockAsync(CancellationToken lost)
    {
        try
        {
            while (siloLock is not null && !_stopping.IsCancellationRequested)
            {
                await Cancellation.WaitAsync(lost, _stopping.Token);
                LogLockLost(log);
                await runtime.CloseAsync(LockLost, DeactivationReasonCode.RuntimeRequested, _stopping.Token);
                await gateway.CloseConnectionsAsync(LockLost);
                lost = await RetakeAsync(siloLock);
                if (runtime.TryOpen())
                {
                    LogLockRetaken(log);
                }
            }
        }
        catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
        {
            LogLockUnwatched(log);
        }
    }

    private async Task<CancellationToken> RetakeAsync(ISiloLock held)
    {
        var told = new Repeats(time);
        while (true)
        {
            try
            {
                var attempt = await held.TryTakeAsync(_stopping.Token);
                if (attempt.HeldBy is null)
                {
                    return attempt.Lost;
                }

                if (told.IsNews(attempt.HeldBy))
                {
                    LogLockHeld(log, attempt.HeldBy);
                }
            }
#pragma warning disable CA1031 // The database may be away in any way; the silo waits until it can be asked.
            catch (Exception e) when (!_stopping.IsCancellationRequested)
#pragma warning restore CA1031
            {
                if (told.IsNews(e.Message))
                {
                    LogLockFailed(log, e.Message);
                }
            }

            await Task.Delay(RetakeInterval, time, _stopping.Token);
        }
    }

    [LoggerMessage(7020, LogLevel.Information, "silo of cluster {Cluster} serves, gateway {Gateway}")]
    private static partial void LogStarted(ILogger logger, string cluster, IPEndPoint? gateway);

    [LoggerMessage(7021, LogLevel.Error, "the silo lost its lock and serves nothing until it has it again")]
    private static partial void LogLockLost(ILogger logger);

    [LoggerMessage(7022, LogLevel.Warning, "the silo has its lock again and serves")]
    private static partial void LogLockRetaken(ILogger logger);

    [LoggerMessage(7023, LogLevel.Warning, "the silo's lock is held by {Holder}")]
    private static partial void LogLockHeld(ILogger logger, string holder);

    [LoggerMessage(7024, LogLevel.Warning, "the silo's lock could not be asked for: {Reason}")]
    private static partial void LogLockFailed(ILogger logger, string reason);

    [LoggerMessage(7025, LogLevel.Debug, "the silo's lock is no longer watched")]
    private static partial void LogLockUnwatched(ILogger logger);
}

internal static class Cancellation
{
    /// <summary>Returns once the first token is cancelled; throws if the second is.</summary>
    public static async Task WaitAsync(CancellationToken awaited, CancellationToken cancellation)
    {
        var source = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var registration = awaited.UnsafeRegister(static s => ((TaskCompletionSource)s!).TrySetResult(), source);
        await source.Task.WaitAsync(cancellation);
    }
}
