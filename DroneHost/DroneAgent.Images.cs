using Microsoft.Extensions.Logging;
using Plane.DroneHost.Images;
using Plane.DroneHost.Runtimes;
using Plane.DroneHost.Session;
using Plane.DroneHost.Supervision;

namespace Plane.DroneHost;

// What of the drone is not about its backends' lives: images that they will need, and what they reserve.
internal sealed partial class DroneAgent
{
    /// <summary>Images are pulled before they are needed where containers run.</summary>
    private void OwnImages(RuntimeSet runtimes, SessionKeeper sessions)
    {
        if (!runtimes.Has(ExecutorKind.Docker) || runtimes[ExecutorKind.Docker] is not IImageRuntime runtime)
        {
            return;
        }

        var images = new ImagePrefetcher(sessions, runtime, options.Pool, time, metrics, loggers.CreateLogger<ImagePrefetcher>());
        Own(_controllerLoops, "images wanted", images.ReadAsync, _stopController.Token);
        Own(_controllerLoops, "image reports", images.ReportAsync, _stopController.Token);
        for (var i = 0; i < ImagePrefetcher.Pulls; i++)
        {
            var number = i;
            Own(_localLoops, "image pulls", c => images.PullAsync(number, c), _stopLocal.Token);
        }
    }

    private static ResourceAmounts ReservedOf(BackendSet backends, ResourceAmounts capacity) => backends.All.Aggregate(
        ResourceAmounts.None, (sum, b) => sum.Plus(b.Reserves.Gpus == ResourceAmounts.AllGpus ? b.Reserves with { Gpus = capacity.Gpus } : b.Reserves));
}
