using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Plane.DroneHost.Session;

namespace Plane.DroneHost;

/// <summary>
/// A loop of the drone. One that ends by itself has done its work; one that fails is started again and counted; a refusal by the controller takes the host down. What it runs on is asked
/// for when it starts: before, the state file is not open.
/// </summary>
/// <param name="name">For logs and metrics.</param>
/// <param name="ofController">Whether it speaks to the controller (<see cref="DroneLife"/>).</param>
/// <param name="run">Runs until it is cancelled.</param>
/// <param name="services">The drone's parts.</param>
internal sealed partial class DroneLoop(string name, bool ofController, Func<IServiceProvider, CancellationToken, Task> run, IServiceProvider services) : BackgroundService
{
    private static readonly TimeSpan RestartPause = TimeSpan.FromSeconds(1);

    private readonly ILogger _logger = services.GetRequiredService<ILogger<DroneLoop>>();
    private readonly DroneMetrics _metrics = services.GetRequiredService<DroneMetrics>();
    private readonly TimeProvider _time = services.GetRequiredService<TimeProvider>();

    public override async Task StartAsync(CancellationToken cancellationToken)
    {
        await base.StartAsync(cancellationToken);
        services.GetRequiredService<DroneLife>().Own(ExecuteTask!);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var life = services.GetRequiredService<DroneLife>();
        using var end = CancellationTokenSource.CreateLinkedTokenSource(ofController ? life.Controller : life.Local, stoppingToken);
        var stopping = end.Token;
        while (!stopping.IsCancellationRequested)
        {
            try
            {
                await run(services, stopping);
                return;
            }
            catch (SessionRefusedException e)
            {
                life.Fail(e);
                return;
            }
            catch (Exception e) when (!stopping.IsCancellationRequested)
            {
                LogFailed(e, name);
                _metrics.LoopRestarts.Add(1, new KeyValuePair<string, object?>("loop", name));
                await Task.WhenAny(Task.Delay(RestartPause, _time, stopping));
            }
            catch (Exception e) when (stopping.IsCancellationRequested)
            {
                LogEnded(name, e.GetType().Name);
            }
        }
    }

    [LoggerMessage(EventIds.DroneLoopFailed, LogLevel.Error, "The loop of {Loop} failed and is started again")]
    private partial void LogFailed(Exception e, string loop);

    [LoggerMessage(EventIds.DroneLoopEnded, LogLevel.Debug, "The loop of {Loop} ended with the agent: {Exception}")]
    private partial void LogEnded(string loop, string exception);
}
