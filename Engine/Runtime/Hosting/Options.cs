using System.Diagnostics;
using System.Net;
using Orleans.Runtime;

namespace Orleans.Configuration;

/// <summary>Which cluster this is. A client and a silo of different clusters refuse each other.</summary>
public class ClusterOptions
{
    /// <summary>The cluster's name where none is given.</summary>
    public const string DefaultClusterId = "default";

    /// <summary>The service's name where none is given.</summary>
    public const string DefaultServiceId = "default";

    internal const string DevelopmentClusterId = "dev";
    internal const string DevelopmentServiceId = "dev";

    /// <summary>The name of the cluster: silos and clients that talk to each other.</summary>
    public string ClusterId { get; set; } = DefaultClusterId;

    /// <summary>The name of the service, which outlives clusters.</summary>
    public string ServiceId { get; set; } = DefaultServiceId;
}

/// <summary>Time-outs and limits of calls.</summary>
public abstract class MessagingOptions
{
    private TimeSpan _responseTimeout = TimeSpan.FromSeconds(30);

    /// <summary>How long a caller waits for an answer. Default 30 s. Longer: fewer calls whose outcome is unknown; shorter: callers learn of a dead peer sooner.</summary>
    public TimeSpan ResponseTimeout
    {
        get => Debugger.IsAttached ? ResponseTimeoutWithDebugger : _responseTimeout;
        set => _responseTimeout = value;
    }

    /// <summary>The same while a debugger is attached. Default 30 minutes.</summary>
    public TimeSpan ResponseTimeoutWithDebugger { get; set; } = TimeSpan.FromMinutes(30);

    /// <summary>Whether the token of a method is signalled when its caller's time is up. Default: no, it runs on.</summary>
    public bool CancelRequestOnTimeout { get; set; }

    /// <summary>The largest message, in bytes. Default here: 16 MiB, the largest frame of the gateway; more is not taken.</summary>
    public int MaxMessageBodySize { get; set; } = Gateway.Wire.MaxFrame;
}

/// <summary>Calls made inside a silo.</summary>
public class SiloMessagingOptions : MessagingOptions;

/// <summary>Calls made by a client.</summary>
public class ClientMessagingOptions : MessagingOptions;

/// <summary>When activations end.</summary>
public class GrainCollectionOptions
{
    /// <summary>The default of <see cref="CollectionQuantum"/>.</summary>
    public static readonly TimeSpan DEFAULT_COLLECTION_QUANTUM = TimeSpan.FromMinutes(1);

    /// <summary>The default of <see cref="ActivationTimeout"/>.</summary>
    public static readonly TimeSpan DEFAULT_ACTIVATION_TIMEOUT = TimeSpan.FromSeconds(30);

    /// <summary>The default of <see cref="DeactivationTimeout"/>.</summary>
    public static readonly TimeSpan DEFAULT_DEACTIVATION_TIMEOUT = TimeSpan.FromSeconds(30);

    /// <summary>How often idle activations are looked for. Default 1 minute.</summary>
    public TimeSpan CollectionQuantum { get; set; } = DEFAULT_COLLECTION_QUANTUM;

    /// <summary>An activation not used for so long ends. Default 15 minutes. Longer: more memory; shorter: more activations made anew.</summary>
    public TimeSpan CollectionAge { get; set; } = TimeSpan.FromMinutes(15);

    /// <summary>The same per grain class, by its full name.</summary>
    public Dictionary<string, TimeSpan> ClassSpecificCollectionAge { get; set; } = [];

    /// <summary>How long a grain may take to activate. Default 30 s.</summary>
    public TimeSpan ActivationTimeout { get; set; } = DEFAULT_ACTIVATION_TIMEOUT;

    /// <summary>How long a grain may take to end, running calls included. Default 30 s.</summary>
    public TimeSpan DeactivationTimeout { get; set; } = DEFAULT_DEACTIVATION_TIMEOUT;
}

/// <summary>Where a silo listens, and what it tells others. The embedded engine has no silo-to-silo port; the gateway is all it opens.</summary>
public class EndpointOptions
{
    /// <summary>The default of <see cref="SiloPort"/>.</summary>
    public const int DEFAULT_SILO_PORT = 11111;

    /// <summary>The default of <see cref="GatewayPort"/>.</summary>
    public const int DEFAULT_GATEWAY_PORT = 30000;

    private IPAddress? _advertised;

    /// <summary>The address by which others reach this silo; a concrete one.</summary>
    public IPAddress AdvertisedIPAddress
    {
        get => _advertised!;
        set
        {
            if (value is null || value.Equals(IPAddress.Any) || value.Equals(IPAddress.IPv6Any) || value.Equals(IPAddress.None) || value.Equals(IPAddress.IPv6None))
            {
                throw new OrleansConfigurationException($"{nameof(AdvertisedIPAddress)} must be a concrete address, not {value?.ToString() ?? "null"}");
            }

            _advertised = value;
        }
    }

    /// <summary>Silo to silo. Not used by the embedded engine.</summary>
    public int SiloPort { get; set; } = DEFAULT_SILO_PORT;

    /// <summary>Where clients connect. Default 30000; 0: no gateway.</summary>
    public int GatewayPort { get; set; } = DEFAULT_GATEWAY_PORT;

    /// <summary>Not used by the embedded engine.</summary>
    public IPEndPoint? SiloListeningEndpoint { get; set; }

    /// <summary>Where the gateway listens, if that differs from what is advertised. Its port may be 0 here: any free one.</summary>
    public IPEndPoint? GatewayListeningEndpoint { get; set; }

    internal IPEndPoint? ListeningGateway => GatewayListeningEndpoint ?? (GatewayPort == 0 ? null : new IPEndPoint(_advertised ?? IPAddress.Loopback, GatewayPort));
}

/// <summary>The gateways of a static cluster.</summary>
public class StaticGatewayListProviderOptions
{
    /// <summary>As <c>gwy.tcp://host:port/0</c>.</summary>
    public List<Uri> Gateways { get; set; } = [];
}

/// <summary>What only the embedded engine has. The same at both ends, but for what names one.</summary>
public class EmbeddedEngineOptions
{
    /// <summary>
    /// A secret that silo and clients share, at least 16 characters: each proves to the other that it knows it, and it never crosses the wire. It tells who may
    /// connect but encrypts nothing: on a network that others can listen to, use TLS as well. Default: none.
    /// </summary>
    public string? SharedSecret { get; set; }

    /// <summary>Lets a gateway listen beyond loopback although clients need neither the secret nor a certificate. Default: no.</summary>
    public bool AllowInsecureGateway { get; set; }

    /// <summary>Both ends send something at least so often. Default 5 s.</summary>
    public TimeSpan PingInterval { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>A peer that sent nothing, or took nothing, for so long is dead. Default 15 s. Longer: slower to notice; shorter: a long pause of a machine cuts its connection.</summary>
    public TimeSpan DeadAfter { get; set; } = TimeSpan.FromSeconds(15);

    /// <summary>A client's longest wait between two attempts to connect. Default 10 s; drones take 2 s, since they have keys to renew.</summary>
    public TimeSpan MaxReconnectDelay { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>How long one attempt to connect may take, with all handshakes. Default 5 s.</summary>
    public TimeSpan ConnectTimeout { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>Frames waiting to be sent on a connection, before whoever sends has to wait. Default 1024.</summary>
    public int MaxQueuedFrames { get; set; } = 1024;

    /// <summary>Bytes waiting to be sent on a connection, beyond which the peer is cut. Default 64 MiB.</summary>
    public long MaxQueuedBytes { get; set; } = 64L << 20;

    /// <summary>Calls of one connection under way at once; more are refused. Default 10,000.</summary>
    public int MaxCallsPerConnection { get; set; } = 10_000;

    /// <summary>Connections to one gateway at once; more are refused. Default 10,000.</summary>
    public int MaxConnections { get; set; } = 10_000;

    /// <summary>Serialises the arguments and results of calls inside the silo too, so that tests find messages that can't travel. Default: no.</summary>
    public bool SerializeInProcessCalls { get; set; }
}
