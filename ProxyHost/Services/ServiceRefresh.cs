using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Plane.ProxyHost.Connections;

namespace Plane.ProxyHost.Services;

/// <summary>
/// Reads again what changed of services, and cuts open requests of visitors who would not be let in any more: by a token whose key is gone, or of a service that is. It continues until the
/// controller has answered.
/// </summary>
internal sealed partial class ServiceRefresh(ServiceDirectory directory, OpenExchanges open, TimeProvider time, ILogger<ServiceRefresh> logger) : BackgroundService
{
    private static readonly TimeSpan s_afterFailure = TimeSpan.FromSeconds(1);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            await foreach (var service in directory.Changed.ReadAllAsync(stoppingToken))
            {
                await RefreshAsync(service, stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The proxy stops.
        }
    }

    private async Task RefreshAsync(KnownService service, CancellationToken cancellationToken)
    {
        ServiceLookUp found;
        while ((found = await directory.FindAsync(service.Name, cancellationToken)).Outcome == ServiceOutcome.Unavailable)
        {
            await Task.Delay(s_afterFailure, time, cancellationToken);
        }

        // After the policy: a request that is not in the list yet compares policies when it is (ProxyPipeline).
        var cut = open.CutVisits(visit => visit.Service == service && found.Policy?.Admits(visit.Visitor) != true);
        if (cut > 0)
        {
            LogCut(cut, service.Name.Value);
        }
    }

    [LoggerMessage(EventIds.ServiceRefreshCut, LogLevel.Information, "Cut {Count} open connections of service {Service}: its access or its keys changed")]
    private partial void LogCut(int count, string service);
}
