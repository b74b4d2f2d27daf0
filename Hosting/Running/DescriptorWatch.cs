using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Plane.Hosting.Running;

/// <summary>Looks once a second whether this process has file descriptors left, and logs it when it has not: once for the process, of whose hosts each has a watch, and then once a minute.</summary>
public sealed partial class DescriptorWatch(TimeProvider time, ILogger<DescriptorWatch> logger) : BackgroundService
{
    private static readonly TimeSpan s_every = TimeSpan.FromSeconds(1);
    private static readonly Outage s_outage = new(TimeProvider.System);

    private volatile bool _areFew;

    /// <summary>Whether fewer than a tenth were left when it looked last.</summary>
    public bool AreFew => _areFew;

    /// <summary>Raised when <see cref="AreFew"/> has changed.</summary>
    public event Action? Changed;

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(s_every, time);
        do
        {
            var problem = FileDescriptors.Problem();
            Log(problem);
            if (_areFew != problem is not null)
            {
                _areFew = problem is not null;
                Changed?.Invoke();
            }
        }
        while (await timer.WaitForNextTickAsync(stoppingToken));
    }

    private void Log(string? problem)
    {
        lock (s_outage)
        {
            // The number that is left changes all the time and is not another trouble.
            if (problem is not null && s_outage.ShouldLog("few"))
            {
                LogFew(problem);
            }
            else if (problem is null && s_outage.End())
            {
                LogEnough();
            }
        }
    }

    [LoggerMessage(EventIds.DescriptorWatchFew, LogLevel.Warning, "Connections and files may fail: {Problem}")]
    private partial void LogFew(string problem);

    [LoggerMessage(EventIds.DescriptorWatchEnough, LogLevel.Information, "This program has file descriptors left again.")]
    private partial void LogEnough();
}

/// <summary>Adds it.</summary>
public static class DescriptorWatchServices
{
    /// <summary>Adds a <see cref="DescriptorWatch"/> that runs with the host.</summary>
    /// <param name="services">The host's services; they must have a <see cref="TimeProvider"/>.</param>
    public static IServiceCollection AddDescriptorWatch(this IServiceCollection services)
    {
        services.AddSingleton<DescriptorWatch>();
        services.AddHostedService(s => s.GetRequiredService<DescriptorWatch>());
        return services;
    }
}
