using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Plane.ProxyHost.Controller;

namespace Plane.ProxyHost.Connections;

/// <summary>
/// The end of the proxy: from the stop signal on <c>/ready</c> says no, the server closes its listeners, and what is still open after the drain time is cut.
/// </summary>
internal sealed partial class Drain(
    ProxyOptions options,
    OpenExchanges open,
    ControllerContact contact,
    IHostApplicationLifetime lifetime,
    TimeProvider time,
    ILogger<Drain> logger) : IHostedService, IDisposable
{
    private CancellationTokenRegistration _stopping;
    private ITimer? _timer;

    public Task StartAsync(CancellationToken cancellationToken)
    {
        _stopping = lifetime.ApplicationStopping.Register(Begin);
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public void Dispose()
    {
        _stopping.Dispose();
        _timer?.Dispose();
    }

    private void Begin()
    {
        contact.BeginDrain();
        LogDraining(open.Count, options.Drain.TotalSeconds);
        _timer = time.CreateTimer(static state => ((Drain)state!).Expire(), this, options.Drain, Timeout.InfiniteTimeSpan);
    }

    private void Expire()
    {
        var cut = open.CutAll();
        if (cut > 0)
        {
            LogDrainOver(cut);
        }
    }

    [LoggerMessage(EventIds.DrainDraining, LogLevel.Information, "Stopping: {Open} requests are open and have {Seconds} s")]
    private partial void LogDraining(int open, double seconds);

    [LoggerMessage(EventIds.DrainDrainOver, LogLevel.Information, "Cut {Count} requests that were still open when the time to drain was over")]
    private partial void LogDrainOver(int count);
}
