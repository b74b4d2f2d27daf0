using System.Buffers;
using System.Collections.Concurrent;
using System.Net;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;
using Orleans;
using Orleans.Runtime;
using Orleans.Serialization;

namespace Plane.Hosting;

/// <summary>
/// Says where a gateway is reached at another address or port than its own. A client addresses a gateway as it reached it, and a gateway passes on what is not addressed to itself:
/// to nobody, here. Orleans' own log tells of calls that got no answer, as from a controller that is away.
/// <para>
/// A gateway begins each connection with the address that its silo advertises: another one than was dialled is told at once. The port in it is the silo's; that the gateway's is
/// another shows by what follows. What is addressed to a gateway goes over the connection to it, so that who refuses it there is somebody who is addressed otherwise: this is told the
/// second time, since the first may have been of a connection that there was before. A gateway that is away or stands still refuses nothing.
/// </para>
/// </summary>
internal sealed partial class GatewayWatch
{
    private readonly Serializer<GatewayPreamble> _preambles;
    private readonly ILogger _logger;
    private readonly ConcurrentDictionary<IPEndPoint, OpenGateway> _open = [];
    private readonly ConcurrentDictionary<IPEndPoint, bool> _told = [];

    public GatewayWatch(ILoggerFactory loggers, Serializer<GatewayPreamble> preambles)
    {
        (_preambles, _logger) = (preambles, loggers.CreateLogger<GatewayWatch>());

        // Here and not among the host's services: who sets up logging after this clears what is there.
        loggers.AddProvider(new ManifestFailures(OnRefused));
    }

    /// <summary>Orleans' side of a connection to a gateway.</summary>
    public ConnectionDelegate Around(ConnectionDelegate next) => async context =>
    {
        if (context.RemoteEndPoint is not IPEndPoint remote)
        {
            await next(context);
            return;
        }

        var transport = context.Transport;
        var gateway = new OpenGateway(Plain(remote));
        context.Transport = new WatchedPipe(transport, arrived => HasSeen(gateway, arrived));
        try
        {
            await next(context);
        }
        finally
        {
            context.Transport = transport;
            _open.TryRemove(KeyValuePair.Create(gateway.Dialled, gateway));
        }
    };

    private bool HasSeen(OpenGateway gateway, ReadOnlySequence<byte> arrived)
    {
        var reader = new SequenceReader<byte>(arrived);
        if (!reader.TryReadLittleEndian(out int length) || (length >= 0 && reader.Remaining < length))
        {
            return false;
        }

        if (length < 0 || AdvertisedIn(gateway.Dialled, arrived.Slice(reader.Position, length)) is not { } advertised)
        {
            return true;
        }

        // Over loopback a gateway answers for any address.
        var dialled = gateway.Dialled;
        _open[dialled] = gateway;
        if (!IPAddress.IsLoopback(dialled.Address) && !advertised.Equals(dialled.Address) && _told.TryAdd(dialled, true))
        {
            LogOtherAddress(dialled, advertised, dialled.Address);
        }

        return true;
    }

    private IPAddress? AdvertisedIn(IPEndPoint dialled, ReadOnlySequence<byte> preamble)
    {
        try
        {
            return _preambles.Deserialize(preamble)?.SiloAddress is { } silo ? Plain(silo.Endpoint).Address : null;
        }
        catch (Exception e)
        {
            // Whoever that is: Orleans says so.
            LogNoPreamble(dialled, e.Message);
            return null;
        }
    }

    private void OnRefused(IPEndPoint endpoint)
    {
        var dialled = Plain(endpoint);
        if (_open.TryGetValue(dialled, out var gateway) && Interlocked.Increment(ref gateway.Refusals) == 2 && _told.TryAdd(dialled, true))
        {
            LogOtherPort(dialled);
        }
    }

    private static IPEndPoint Plain(IPEndPoint endpoint) => endpoint.Address.IsIPv4MappedToIPv6 ? new IPEndPoint(endpoint.Address.MapToIPv4(), endpoint.Port) : endpoint;

    [LoggerMessage(7063, LogLevel.Error, "the gateway {Dialled} lets this program in and answers nothing that is addressed to {Dialled}: its controller advertises the address {Advertised}. Give that here, or that controller --advertised-address {Address}; nothing that changes addresses or ports (NAT, a published port, a load balancer) may stand between the two")]
    private partial void LogOtherAddress(IPEndPoint dialled, IPAddress advertised, IPAddress address);

    [LoggerMessage(7064, LogLevel.Error, "the gateway {Dialled} lets this program in and answers nothing that is addressed to {Dialled}: its own port is another. Give the controller's --gateway-port here; nothing that changes addresses or ports (NAT, a published port, a load balancer) may stand between the two")]
    private partial void LogOtherPort(IPEndPoint dialled);

    [LoggerMessage(7065, LogLevel.Debug, "what the gateway {Dialled} begins with is not understood: {Reason}")]
    private partial void LogNoPreamble(IPEndPoint dialled, string reason);

    /// <summary>A connection, from the beginning that its gateway made on.</summary>
    private sealed class OpenGateway(IPEndPoint dialled)
    {
        public int Refusals;

        public IPEndPoint Dialled => dialled;
    }
}

/// <summary>What is read of the message that begins a connection. Orleans' own type is not public; its members are found by their numbers.</summary>
[GenerateSerializer]
[Alias("plane.gateway-preamble")]
internal sealed class GatewayPreamble
{
    /// <summary>The address of the gateway's silo.</summary>
    [Id(2)]
    public SiloAddress? SiloAddress { get; set; }
}
