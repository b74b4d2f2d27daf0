using System.Net;
using System.Net.Sockets;

namespace Plane.ProxyHost.Services;

/// <summary>The network that a visitor comes from, as starts by requests are bounded by it: /24 of IPv4, /48 of IPv6.</summary>
internal static class ClientNetwork
{
    private const int V4 = 24;
    private const int V6 = 48;
    private const string None = "none";

    /// <summary>The network of an address.</summary>
    public static string Of(IPAddress? address)
    {
        if (address is null)
        {
            return None;
        }

        var its = address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
        var length = its.AddressFamily == AddressFamily.InterNetwork ? V4 : V6;
        var bytes = its.GetAddressBytes();
        bytes.AsSpan(length / 8).Clear();
        return new IPNetwork(new IPAddress(bytes), length).ToString();
    }
}
