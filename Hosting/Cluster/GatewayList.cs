using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Orleans.Messaging;

namespace Plane.Hosting;

/// <summary>
/// The gateways of the options, resolved each time that Orleans asks: its own static list takes addresses only. It remembers which name an address came from, because
/// the gateway's certificate is checked against the name.
/// </summary>
internal sealed class GatewayList(IReadOnlyList<DnsEndPoint> gateways) : IGatewayListProvider
{
    private readonly ConcurrentDictionary<IPEndPoint, string> _hosts = new();

    public TimeSpan MaxStaleness => TimeSpan.FromSeconds(10);

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
                foreach (var address in await Dns.GetHostAddressesAsync(gateway.Host))
                {
                    var endpoint = new IPEndPoint(address, gateway.Port);
                    _hosts[endpoint] = gateway.Host;
                    found.Add(new Uri($"gwy.tcp://{endpoint}/0"));
                }
            }
            catch (SocketException e)
            {
                failure = e;
            }
        }

        // Orleans logs the failure and asks again.
        return found.Count > 0 || failure is null ? found : throw new IOException($"none of the gateways {string.Join(", ", gateways.Select(g => g.Host))} has an address: {failure.Message}", failure);
    }

    /// <summary>The name of a gateway that was dialled by its address.</summary>
    public string HostOf(EndPoint? endpoint) =>
        endpoint is IPEndPoint { Address.IsIPv4MappedToIPv6: true } mapped ? HostOf(new IPEndPoint(mapped.Address.MapToIPv4(), mapped.Port))
        : endpoint is IPEndPoint known ? _hosts.GetValueOrDefault(known) ?? known.Address.ToString()
        : "";
}
