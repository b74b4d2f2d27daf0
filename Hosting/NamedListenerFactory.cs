using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Plane.Hosting.Running;

namespace Plane.Hosting;

/// <summary>Kestrel's sockets, which say of an address that can't be listened on which one it is, why, and what to do.</summary>
internal sealed class NamedListenerFactory(IOptions<SocketTransportOptions> options, ILoggerFactory loggers) : IConnectionListenerFactory
{
    private readonly SocketTransportFactory _sockets = new(options, loggers);

    public async ValueTask<IConnectionListener> BindAsync(EndPoint endpoint, CancellationToken cancellationToken = default)
    {
        try
        {
            return new ThriftyListener(await _sockets.BindAsync(endpoint, cancellationToken));
        }
        catch (AddressInUseException e)
        {
            throw new StartRefusedException($"cannot listen on {endpoint}: the port is in use by another program; end it, or give another port", e);
        }
        catch (SocketException e)
        {
            var why = e.SocketErrorCode == SocketError.AddressNotAvailable ? "this machine does not have the address" : e.Message;
            throw new StartRefusedException($"cannot listen on {endpoint}: {why}", e);
        }
    }
}
