using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Hosting;
using Orleans.Configuration;
using Plane.Hosting;

namespace Plane.Silo;

/// <summary>
/// Starts and stops Orleans' silo so that what an operator can mend is said in one line. A port that another program has is found before the silo would fail on it.
/// A host whose start was refused stops all services, also those whose turn had not come: a silo that was not started is not stopped either, since it would only fail.
/// </summary>
internal sealed class SiloStart(IHostedService silo, EndpointOptions endpoints) : IHostedService
{
    private bool _started;

    public Task StartAsync(CancellationToken cancellationToken)
    {
        RequireFree("--silo-port", endpoints.SiloListeningEndpoint!);
        RequireFree("--gateway-port", endpoints.GatewayListeningEndpoint!);
        _started = true;
        return silo.StartAsync(cancellationToken);
    }

    public Task StopAsync(CancellationToken cancellationToken) => _started ? silo.StopAsync(cancellationToken) : Task.CompletedTask;

    private static void RequireFree(string option, IPEndPoint endpoint)
    {
        using var probe = new Socket(endpoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            probe.Bind(endpoint);
        }
        catch (SocketException e) when (e.SocketErrorCode is SocketError.AddressAlreadyInUse or SocketError.AccessDenied or SocketError.AddressNotAvailable)
        {
            throw new StartRefusedException($"{option} {endpoint.Port}: this program cannot listen on {endpoint}: {e.Message}", e);
        }
    }
}
