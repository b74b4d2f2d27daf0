using System.Net;
using Microsoft.Extensions.Options;
using Orleans.Configuration;
using Plane.Hosting.Running;
using Plane.Silo.Cluster;
using Plane.Storage;

namespace Plane.Silo.Start;

/// <summary>
/// Checks, before the silo joins, that the database belongs to this controller's cluster and that this machine's clock agrees with the database's. Orleans compares
/// the clocks of the silos within its membership; nothing that Plane decides depends on them.
/// </summary>
internal sealed class ClusterStart(IControllerStore store, ControllerClusterOptions options, IOptions<EndpointOptions> endpoints, TimeProvider time) : LifecycleService
{
    private static readonly TimeSpan s_mostApart = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan s_retry = TimeSpan.FromSeconds(1);

    public override async Task StartingAsync(CancellationToken cancellationToken)
    {
        var silo = new IPEndPoint(endpoints.Value.AdvertisedIPAddress, endpoints.Value.SiloPort);
        var asked = time.GetTimestamp();
        PinnedCluster? pinned = null;
        while (pinned is null)
        {
            try
            {
                asked = time.GetTimestamp();
                pinned = await store.PinClusterAsync(options.ClusterId, options.ServiceId, silo, cancellationToken);
            }
            catch (StoreUnavailableException)
            {
                // The database was there a moment ago; the store logs that it is unavailable.
                await Task.Delay(s_retry, time, cancellationToken);
            }
        }

        if ((pinned.ClusterId, pinned.ServiceId) != (options.ClusterId, options.ServiceId))
        {
            throw new StartRefusedException(
                $"the database belongs to the cluster '{pinned.ClusterId}' (service '{pinned.ServiceId}'), and this controller is of '{options.ClusterId}' (service '{options.ServiceId}'): "
                + $"start it with --cluster-id {pinned.ClusterId} --service-id {pinned.ServiceId}, or on another database");
        }

        if (pinned.Now is { } now && (TimeProvider.System.GetUtcNow() - now).Duration() - time.GetElapsedTime(asked) is var apart && apart > s_mostApart)
        {
            throw new StartRefusedException(
                $"this machine's clock and the database's are {apart.TotalSeconds:0} s apart, more than {s_mostApart.TotalSeconds:0} s: set this machine's clock (NTP), then start the controller again");
        }
    }
}
