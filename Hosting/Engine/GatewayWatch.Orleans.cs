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
/// A gateway begins each connection with the address that its silo advertises: another one than was dialled is told at once. The port in it is the silo's; that the
/// gateway's is another shows by what follows. A gateway that is reached as it should be answers a client's first question with what makes it a client; one that lets it in and then
/// only refuses was not meant. One that is away does neither.
/// </para>
/// </summary>
internal sealed partial class GatewayWatch(PatientClient client, Serializer<GatewayPreamble> preambles, TimeProvider time, ILogger<GatewayWatch> logger)
{
    /// <summary>A controller that ends refuses too, but not for so long.</summary>
    private static readonly TimeSpan s_refusing = TimeSpan.FromSeconds(3);

    private readonly ConcurrentDictionary<IPEndPoint, bool> _told = [];
    private readonly TimeProvider _time = time;

    private bool IsConnected => client.IsConnected;

    /// <summary>Orleans' side of a connection to a gateway.</summary>
    public ConnectionDelegate Around(ConnectionDelegate next) => async context =>
    {
        if (context.RemoteEndPoint is not IPEndPoint remote)
        {
            await next(context);
            return;
        }

        var transport = context.Transport;
        var dialled = new IPEndPoint(Plain(remote.Address), remote.Port);
        context.Transport = new WatchedPipe(transport, new Watched(this, dialled));
        try
        {
            await next(context);
        }
        finally
        {
            context.Transport = transport;
        }
    };

    private void OnPreamble(IPEndPoint dialled, ReadOnlySequence<byte> bytes)
    {
        IPAddress? advertised;
        try
        {
            advertised = preambles.Deserialize(bytes)?.SiloAddress?.Endpoint.Address;
        }
        catch (Exception e)
        {
            // Whoever that is: Orleans says so.
            LogNoPreamble(dialled, e.Message);
            return;
        }

        // Over loopback a gateway answers for any address.
        if (advertised is not null && !IPAddress.IsLoopback(dialled.Address) && !Plain(advertised).Equals(dialled.Address) && _told.TryAdd(dialled, true))
        {
            LogOtherAddress(dialled, Plain(advertised), dialled.Address);
        }
    }

    private void OnRefusing(IPEndPoint dialled)
    {
        if (_told.TryAdd(dialled, true))
        {
            LogOtherPort(dialled);
        }
    }

    private static IPAddress Plain(IPAddress address) => address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;

    [LoggerMessage(7063, LogLevel.Error, "the gateway {Dialled} lets this program in and answers nothing that is addressed to {Dialled}: its controller advertises the address {Advertised}. Give that here, or that controller --advertised-address {Address}; nothing that changes addresses or ports (NAT, a published port, a load balancer) may stand between the two")]
    private partial void LogOtherAddress(IPEndPoint dialled, IPAddress advertised, IPAddress address);

    [LoggerMessage(7064, LogLevel.Error, "the gateway {Dialled} lets this program in and answers nothing that is addressed to {Dialled}: its own port is another. Give the controller's --gateway-port here; nothing that changes addresses or ports (NAT, a published port, a load balancer) may stand between the two")]
    private partial void LogOtherPort(IPEndPoint dialled);

    [LoggerMessage(7065, LogLevel.Debug, "what the gateway {Dialled} begins with is not understood: {Reason}")]
    private partial void LogNoPreamble(IPEndPoint dialled, string reason);

    /// <summary>One connection: its beginning, and what comes while this client still waits to become one.</summary>
    private sealed class Watched(GatewayWatch watch, IPEndPoint dialled) : IPipeWatcher
    {
        private const int LengthSize = sizeof(int);

        private bool _preambleCame;
        private bool _preambleTaken;
        private long? _firstAnswer;

        public bool IsOver => _preambleCame && watch.IsConnected;

        public void Saw(ReadOnlySequence<byte> unread)
        {
            var reader = new SequenceReader<byte>(unread);
            if (!_preambleCame && reader.TryReadLittleEndian(out int length) && length >= 0 && reader.Remaining >= length)
            {
                _preambleCame = true;
                watch.OnPreamble(dialled, unread.Slice(LengthSize, length));
            }
        }

        public void Took()
        {
            if (!_preambleTaken)
            {
                _preambleTaken = _preambleCame;
                return;
            }

            _firstAnswer ??= watch._time.GetTimestamp();
            if (watch._time.GetElapsedTime(_firstAnswer.Value) >= s_refusing)
            {
                watch.OnRefusing(dialled);
            }
        }
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
