using System.Net;
using System.Net.Sockets;
using Plane.DroneHost.Runtimes;

namespace Plane.Tests.Drone;

/// <summary>Installations on one machine whose ports nobody plans don't meet.</summary>
public sealed class PortBlockTests
{
    [Fact]
    public async Task Two_drones_that_draw_their_ports_have_none_in_common()
    {
        await using var one = await DroneUnderTest.StartedAsync(d => d.Options.DrawPorts = true);
        await using var other = await DroneUnderTest.StartedAsync(d => d.Options.DrawPorts = true);

        Assert.Empty(PortsOf(one).Intersect(PortsOf(other)));
        Assert.All([one, other], d => Assert.Equal(1_000, PortsOf(d).Count()));
        Assert.All([one, other], d => Assert.InRange(d.Options.PortFrom, 10_000, 19_000));
    }

    [Fact]
    public async Task A_block_is_free_again_once_its_drone_has_stopped()
    {
        await using var drone = await DroneUnderTest.StartedAsync(d => d.Options.DrawPorts = true);
        Assert.True(HoldsClaim(drone.Options.PortFrom));

        await drone.StopAsync();

        Assert.False(HoldsClaim(drone.Options.PortFrom));
    }

    [Fact]
    public async Task A_port_that_another_program_has_is_not_handed_out()
    {
        await using var drone = await DroneUnderTest.StartedAsync();
        using var other = new TcpListener(IPAddress.Any, drone.Options.PortFrom);
        other.Start();

        var backend = await drone.ReadyBackendAsync();

        Assert.Equal(drone.Options.PortFrom + 1, (await drone.RowAsync(backend))!.Port);
    }

    private static IEnumerable<int> PortsOf(DroneUnderTest drone) => Enumerable.Range(drone.Options.PortFrom, drone.Options.PortTo - drone.Options.PortFrom + 1);

    /// <summary>Whether this process has the claim of a block; another run on this machine may take it as soon as it is free.</summary>
    private static bool HoldsClaim(int from)
    {
        var own = ListeningSocket.OpenIn(Environment.ProcessId).ToHashSet();
        return File.ReadLines("/proc/net/unix")
            .Select(l => l.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Any(f => f.Length == 8 && f[7] == $"@plane/ports/{from}" && own.Contains(long.Parse(f[6])));
    }
}
