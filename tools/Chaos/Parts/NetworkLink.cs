using System.Globalization;
using System.Net;

namespace Plane.Chaos.Parts;

/// <summary>A machine's network: a namespace of its own, and the one cable to everything else. What comes out at the other end is routed on.</summary>
internal sealed class NetworkLink(string name, int net, int number)
{
    private readonly string _interface = string.Create(CultureInfo.InvariantCulture, $"cable{net}-{number}");

    /// <summary>This side's address.</summary>
    public string Near { get; } = string.Create(CultureInfo.InvariantCulture, $"10.{net}.{number}.1");

    /// <summary>The machine's address.</summary>
    public string Far { get; } = string.Create(CultureInfo.InvariantCulture, $"10.{net}.{number}.2");

    public IPAddress Address => IPAddress.Parse(Far);

    /// <summary>What a program starts with to run on that machine.</summary>
    public string[] Inside => ["nsenter", $"--net=/run/netns/{name}"];

    public async Task LayAsync()
    {
        await Tool.RunAsync("ip", ["netns", "add", name]);
        await Tool.RunAsync("ip", ["link", "add", _interface, "type", "veth", "peer", "name", "eth0", "netns", name]);
        await Tool.RunAsync("ip", ["address", "add", $"{Near}/24", "dev", _interface]);
        await Tool.RunAsync("ip", ["link", "set", _interface, "up"]);
        await Tool.RunAsync("ip", ["-n", name, "address", "add", $"{Far}/24", "dev", "eth0"]);
        await Tool.RunAsync("ip", ["-n", name, "link", "set", "eth0", "up"]);
        await Tool.RunAsync("ip", ["-n", name, "link", "set", "lo", "up"]);
        await Tool.RunAsync("ip", ["-n", name, "route", "add", "default", "via", Near]);
    }

    /// <summary>Pulls or plugs it: the machine reaches nobody and nobody reaches it.</summary>
    public Task PlugAsync(bool plugged) => Tool.RunAsync("ip", ["link", "set", _interface, plugged ? "up" : "down"]);
}
