using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Plane.Storage;

namespace Plane.Silo.Http;

/// <summary>
/// Whether the database serves connects. <c>/pub/health</c> is open to everybody, so callers share one question, and its answer counts for a second.
/// </summary>
internal sealed class DatabaseProbe(IStore store, TimeProvider time, IHostApplicationLifetime lifetime) : IHealthCheck
{
    /// <summary>The check's name.</summary>
    public const string Check = "database";

    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan s_counts = TimeSpan.FromSeconds(1);
    private readonly Lock _lock = new();
    private Task<string?>? _ping;
    private long _began;

    /// <summary>What keeps the database from serving connects, or null. An outage that the store knows of is answered, and over, at once.</summary>
    public Task<string?> ProblemAsync()
    {
        if (store.Outage is { } fault)
        {
            return Task.FromResult<string?>(fault.Reason);
        }

        lock (_lock)
        {
            if (_ping is null || (_ping.IsCompleted && (_ping.Result is not null || time.GetElapsedTime(_began) > s_counts)))
            {
                _began = time.GetTimestamp();
                _ping = PingAsync();
            }

            return _ping;
        }
    }

    public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) =>
        await ProblemAsync() is { } reason ? HealthCheckResult.Unhealthy($"the database is unavailable: {reason}") : HealthCheckResult.Healthy();

    private async Task<string?> PingAsync()
    {
        using var limit = new CancellationTokenSource(s_limit, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, lifetime.ApplicationStopping);
        try
        {
            await store.PingAsync(both.Token).WaitAsync(both.Token);
            return null;
        }
        catch (StoreUnavailableException e)
        {
            return e.Message;
        }
        catch (OperationCanceledException)
        {
            return lifetime.ApplicationStopping.IsCancellationRequested
                ? "the controller is stopping"
                : $"the database does not answer within {s_limit.TotalSeconds:0} s";
        }
    }
}
