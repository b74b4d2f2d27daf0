using System.Globalization;
using System.Net.WebSockets;
using System.Text;
using Plane.DroneHost.Runtimes;
using Plane.Tests.EndToEnd;
using Plane.Testing;

namespace Plane.Tests.Guard;

/// <summary>
/// Agents that are killed, stopped and out of disk, on an installation of separate processes with real containers. Leases are three tenths as long as by default: the
/// hard deadline comes after 15 s, and an agent that is killed has 7 s to come back.
/// </summary>
[Collection(InstallationTests.Name)]
public sealed class AgentLossTests(Installation plane)
{
    [Fact]
    public async Task A_killed_agent_comes_back_to_its_sessions_and_not_a_byte_is_lost()
    {
        await using var drone = await GuardedDrone.StartAsync(plane);
        var (container, containerId) = await drone.ReadyAsync("docker");
        var (process, processId) = await drone.ReadyAsync("process");
        var guard = drone.Guard;
        using var inContainer = await EchoAsync(container);
        using var inProcess = await EchoAsync(process);
        var hard = Math.Max(drone.Lease(containerId)!.HardAt, drone.Lease(processId)!.HardAt);

        await drone.KillAgentAsync();
        // Few: what the agent has to come back is 7 s.
        await RoundAsync(inContainer, 1, 20);
        await drone.StartAgentAsync();

        // Through the restart and well past the deadlines that stood when the agent was killed.
        var round = 20;
        while (BootTimeClock.Instance.Milliseconds < hard + 1_000)
        {
            await RoundAsync(inContainer, round, round + 20);
            await RoundAsync(inProcess, round, round + 20);
            round += 20;
        }

        Assert.Equal("ready", await plane.StatusAsync(container.Backend));
        Assert.Equal("ready", await plane.StatusAsync(process.Backend));
        Assert.Equal(guard, drone.Guard);
        await plane.TerminateAsync(container.Backend);
        await plane.TerminateAsync(process.Backend);

        // Nothing runs any more: a graceful end leaves neither guard nor directory.
        Assert.Equal(0, await drone.Agent.StopAsync());
        Assert.False(guard.IsRunning);
        Assert.False(Directory.Exists(drone.Run.Root));
    }

    [Fact]
    public async Task Of_a_dead_agent_everything_ends_at_its_hard_deadline_and_the_guard_after_it()
    {
        await using var drone = await GuardedDrone.StartAsync(plane);
        var (container, containerId) = await drone.ReadyAsync("docker");
        var (process, processId) = await drone.ReadyAsync("process");
        var lone = drone.Guard;
        Assert.True(lone.TrySignal(ProcessIdentity.Kill));
        await Eventually.TrueAsync(() => drone.Guard is { Pid: > 1 } again && again != lone, "a guard that is gone is started again");
        await drone.KillAgentAsync();
        var leases = new[] { containerId, processId }.ToDictionary(b => b, b => drone.Lease(b)!);

        foreach (var (backend, lease) in leases)
        {
            Assert.True(await GuardedDrone.IsRunningAsync(backend) || BootTimeClock.Instance.Milliseconds >= lease.HardAt, "it ended before its time");
            Assert.True(await drone.EndedAsync(backend) >= lease.HardAt);
            Assert.True(File.Exists(drone.Run.MarkOf(backend)));
        }

        // The controller has their keys back by expiry, and they are lost with their drone.
        foreach (var connected in (Connected[])[container, process])
        {
            var ended = await plane.WaitForAsync(connected.Backend, "terminated");
            Assert.Equal("lost", (string?)ended["termination_reason"]);
        }
    }

    [Fact]
    public async Task A_stopped_agent_keeps_nothing_beyond_the_hard_deadline_and_says_so_when_it_goes_on()
    {
        await using var drone = await GuardedDrone.StartAsync(plane);
        var (_, containerId) = await drone.ReadyAsync("docker");
        var (_, processId) = await drone.ReadyAsync("process");

        Assert.True(drone.Agent.Send(Signal.Stop));
        await drone.EndedAsync(containerId);
        await drone.EndedAsync(processId);
        Assert.True(File.Exists(drone.Run.MarkOf(containerId)) && File.Exists(drone.Run.MarkOf(processId)));
        Assert.True(drone.Agent.Send(Signal.Continue));

        await Eventually.TrueAsync(() => !drone.Run.HasLeases, "the agent lets go of what the guard ended");
        Assert.True(drone.Agent.HasExited is false, drone.Agent.Transcript());
    }

    [Fact]
    public async Task On_a_full_disk_what_runs_is_renewed_and_what_is_refused_ends()
    {
        using var disk = await SmallDisk.MountAsync();
        await using var drone = await GuardedDrone.StartAsync(plane, disk["drone.db"]);
        var (_, kept) = await drone.ReadyAsync("process");
        var (refused, refusedId) = await drone.ReadyAsync("process");
        disk.Fill();
        var hard = drone.Lease(kept)!.HardAt;
        using var answer = await plane.Http.PostAsync(new Uri(plane.Controller, $"/ctrl/b/{refused.Backend}/prevent-renew"), null);
        Assert.True(answer.IsSuccessStatusCode, $"{answer.StatusCode}");

        await drone.EndedAsync(refusedId);
        await Eventually.TrueAsync(() => BootTimeClock.Instance.Milliseconds > hard + 500, "the deadline has passed that stood when the disk was full");
        Assert.True(await GuardedDrone.IsRunningAsync(kept), drone.Agent.Transcript());
        Assert.True(drone.Lease(kept)!.HardAt > hard);

        // And where the agent is stopped as well, the guard, which needs no disk, ends it.
        Assert.True(drone.Agent.Send(Signal.Stop));
        await drone.EndedAsync(kept);
        Assert.True(File.Exists(drone.Run.MarkOf(kept)));
    }

    private async Task<ClientWebSocket> EchoAsync(Connected connected)
    {
        var socket = new ClientWebSocket();
        using var deadline = new CancellationTokenSource(Eventually.DefaultDeadline, TimeProvider.System);
        await socket.ConnectAsync(new UriBuilder(new Uri(connected.Url, "ws")) { Scheme = "ws" }.Uri, deadline.Token);
        Assert.Equal(WebSocketState.Open, socket.State);
        Assert.NotNull(plane);
        return socket;
    }

    /// <summary>Sends numbered messages and receives each of them, once and in order.</summary>
    private static async Task RoundAsync(ClientWebSocket socket, int from, int to)
    {
        using var deadline = new CancellationTokenSource(Eventually.DefaultDeadline, TimeProvider.System);
        var buffer = new byte[256];
        for (var i = from; i < to; i++)
        {
            var text = string.Create(CultureInfo.InvariantCulture, $"message {i}");
            await socket.SendAsync(Encoding.ASCII.GetBytes(text), WebSocketMessageType.Text, true, deadline.Token);
            var received = await socket.ReceiveAsync(buffer, deadline.Token);
            Assert.Equal(text, Encoding.ASCII.GetString(buffer, 0, received.Count));
        }
    }
}
