using Microsoft.Extensions.Diagnostics.HealthChecks;
using Plane.Hosting;
using Plane.Hosting.Running;
using Plane.Storage;

namespace Plane.Silo.Http;

/// <summary>Whether this machine should serve connects: its clock agrees with the database's.</summary>
internal sealed class ClockCheck(IStore store) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) =>
        Task.FromResult(store.ClockProblem is { } problem ? HealthCheckResult.Unhealthy(problem) : HealthCheckResult.Healthy());
}

/// <summary>Whether this process can open files and connections.</summary>
internal sealed class FileDescriptorCheck : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) =>
        Task.FromResult(FileDescriptors.Problem() is { } problem ? HealthCheckResult.Unhealthy(problem) : HealthCheckResult.Healthy());
}
