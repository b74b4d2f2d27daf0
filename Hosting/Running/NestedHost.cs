using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Plane.Hosting.Running;

/// <summary>
/// A host within the program's, started after it and stopped before it. A web server's limits are those of its host: a process that serves HTTP under two sets of them has two hosts.
/// </summary>
/// <param name="host">The host within. It is disposed of.</param>
/// <param name="program">The lifetime of the program's host, which ends with the one within.</param>
public sealed class NestedHost(IHost host, IHostApplicationLifetime program) : LifecycleService, IAsyncDisposable
{
    private CancellationTokenRegistration _end;
    private bool _mustStop;

    /// <summary>The host within.</summary>
    public IHost Host => host;

    /// <inheritdoc/>
    public override async Task StartedAsync(CancellationToken cancellationToken)
    {
        _mustStop = true;
        await host.StartAsync(cancellationToken);
        _end = host.Services.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping.Register(program.StopApplication);
    }

    /// <inheritdoc/>
    public override Task StoppingAsync(CancellationToken cancellationToken)
    {
        _mustStop = false;
        return host.StopAsync(cancellationToken);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _end.DisposeAsync();
        if (_mustStop)
        {
            // A program that is stopped while it starts is disposed of without a stop.
            await host.StopAsync();
        }

        await ((IAsyncDisposable)host).DisposeAsync();
    }
}
