using Microsoft.Extensions.Hosting;

namespace Plane.Silo;

/// <summary>
/// Stops a service only if its start was begun. A host whose start was refused stops all services, also those whose turn had not come; Orleans' silo fails then, and
/// the reason of the refusal would be followed by that of a failure that is none.
/// </summary>
internal sealed class StartedOnly(IHostedService inner) : IHostedService
{
    private bool _started;

    public Task StartAsync(CancellationToken cancellationToken)
    {
        _started = true;
        return inner.StartAsync(cancellationToken);
    }

    public Task StopAsync(CancellationToken cancellationToken) => _started ? inner.StopAsync(cancellationToken) : Task.CompletedTask;
}
