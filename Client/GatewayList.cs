using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Orleans.Messaging;

namespace Plane.Client;

/// <summary>
/// The gateways of the options, resolved each time that Orleans asks: its own static list takes addresses only. It remembers which name an address came from, because
/// the gateway's certificate is checked against the name.
/// </summary>
internal sealed partial class GatewayList(IReadOnlyList<DnsEndPoint> gateways) : IGatewayListProvider
{
    /// <summary>How often Orleans asks for the list and looks at the gateways that it leaves out.</summary>
    public static readonly TimeSpan RefreshPeriod = TimeSpan.FromSeconds(2);

    private readonly ConcurrentDictionary<IPEndPoint, string> _hosts = new();
    private readonly ConcurrentDictionary<string, string> _unresolved = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>Where a gateway without an address is reported, once for each reason.</summary>
    public ILogger Logger { get; set; } = NullLogger.Instance;

    // How long Orleans leaves out a gateway that could not be reached. A controller that is back must be in use before the next one fails.
    public TimeSpan MaxStaleness => RefreshPeriod;

    public bool IsUpdatable => true;

    public Task InitializeGatewayListProvider() => Task.CompletedTask;

    public async Task<IList<Uri>> GetGateways()
    {
        var found = new List<Uri>();
        SocketException? failure = null;
        foreach (var gateway in gateways)
        {
            try
            {
                var addresses = await Dns.GetHostAddressesAsync(gateway.Host);
                _unresolved.TryRemove(gateway.Host, out _);
                foreach (var address in addresses)
                {
                    var endpoint = new IPEndPoint(address, gateway.Port);
                    _hosts[endpoint] = gateway.Host;
                    found.Add(new Uri($"gwy.tcp://{endpoint}/0"));
                }
            }
            catch (SocketException e)
            {
                failure = e;
                if (_unresolved.GetValueOrDefault(gateway.Host) != e.Message)
                {
                    _unresolved[gateway.Host] = e.Message;
                    LogUnresolved(Logger, gateway.Host, e.Message);
                }
            }
        }

        // Orleans retries.
        return found.Count > 0 || failure is null ? found : throw new IOException($"none of the gateways {string.Join(", ", gateways.Select(g => g.Host))} has an address: {failure.Message}", failure);
    }

    /// <summary>The name of a gateway that was dialled by its address.</summary>
    public string HostOf(EndPoint? endpoint) =>
        endpoint is IPEndPoint { Address.IsIPv4MappedToIPv6: true } mapped ? HostOf(new IPEndPoint(mapped.Address.MapToIPv4(), mapped.Port))
        : endpoint is IPEndPoint known ? _hosts.GetValueOrDefault(known) ?? known.Address.ToString()
        : "";

    [LoggerMessage(EventIds.GatewayListUnresolved, LogLevel.Warning, "The gateway {Host} has no address: {Reason}. Correct the address or the name server")]
    private static partial void LogUnresolved(ILogger logger, string host, string reason);
}
