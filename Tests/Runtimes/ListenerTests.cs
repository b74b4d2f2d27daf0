using System.Net;
using System.Net.Sockets;
using Docker.DotNet.Models;
using Plane.DroneHost.Runtimes;
using Plane.Testing;

namespace Plane.Tests.Runtimes;

/// <summary>Whose sockets listen at a backend's address, and what its owner is told where they aren't its own.</summary>
public sealed class ListenerTests : IAsyncLifetime
{
    private readonly ProcessBench _processes = new();
    private readonly DockerBench _containers = new();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        await _processes.EndAsync();
        await _containers.EndAsync();
    }

    [Fact]
    public async Task What_a_process_listens_on_is_its_own()
    {
        var look = await LooksAsync(_processes, _processes.Serve, l => l.IsOwn);

        Assert.Equal(ListenerLook.Own, look);
    }

    [Fact]
    public async Task What_a_process_started_is_its_own_too() =>
        await LooksAsync(_processes, $"({_processes.Serve}) & exec sleep 1000", l => l.IsOwn);

    [Fact]
    public async Task Another_program_on_the_port_of_a_process_is_not_taken_for_it()
    {
        var start = await _processes.StartOf("exec sleep 1000");
        using var other = new TcpListener(IPAddress.Any, start.Port);
        other.Start();
        var runtime = _processes.NewRuntime();
        var started = await runtime.StartAsync(start, default);

        var look = await runtime.LookAtListenerAsync(start.Identity, started!.Address, default);

        Assert.False(look.IsOwn);
        Assert.Equal(
            $"Another program listens on 127.0.0.1:{start.Port}. It listens on no port. A backend must listen on 127.0.0.1 or 0.0.0.0 and the port in the variable PORT ({start.Port}).",
            look.Hint);
    }

    [Fact]
    public async Task A_process_on_another_port_is_seen_there()
    {
        var port = FreePort.Next();

        var look = await LooksAsync(_processes, $"mkdir -p www; exec busybox httpd -f -p 127.0.0.1:{port} -h www", l => l.Hint?.Contains($"127.0.0.1:{port}", StringComparison.Ordinal) == true);

        Assert.False(look.IsOwn);
        Assert.StartsWith($"It listens on 127.0.0.1:{port}. A backend must listen on", look.Hint, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_process_that_has_ended_owns_nothing()
    {
        var start = await _processes.StartOf("exit 0");
        using var other = new TcpListener(IPAddress.Loopback, start.Port);
        other.Start();
        var runtime = _processes.NewRuntime();
        await using var exits = new Exits(runtime);
        var started = await runtime.StartAsync(start, default);
        await exits.OfAsync(start.Identity);

        Assert.False((await runtime.LookAtListenerAsync(start.Identity, started!.Address, default)).IsOwn);
    }

    [Fact]
    public async Task A_port_that_the_engine_publishes_is_the_containers()
    {
        await LooksAsync(_containers, _containers.Serve, l => l == ListenerLook.Own);
    }

    [Fact]
    public async Task A_container_that_has_ended_owns_nothing()
    {
        var start = await _containers.StartOf("exit 0");
        var runtime = _containers.NewRuntime();
        await using var exits = new Exits(runtime);
        var started = await runtime.StartAsync(start, default);
        await exits.OfAsync(start.Identity);

        Assert.False((await runtime.LookAtListenerAsync(start.Identity, started!.Address, default)).IsOwn);
    }

    [Fact]
    public async Task A_container_that_listens_on_its_loopback_alone_is_told_so()
    {
        var look = await LooksAsync(_containers, "exec httpd -f -p 127.0.0.1:8080 -h /www", l => l.Hint?.StartsWith("It listens on", StringComparison.Ordinal) == true);

        Assert.Equal("It listens on 127.0.0.1:8080. A backend must listen on 0.0.0.0 and the port in the variable PORT (8080).", look.Hint);
    }

    [Fact]
    public async Task A_process_that_closed_its_port_is_displaced_once_another_program_listens_there()
    {
        // Closes its port on SIGUSR1 and continues; opens it again on SIGUSR2.
        const string Script = """
            mkdir -p www; serve() { busybox httpd -f -p 127.0.0.1:$PORT -h www & server=$!; }
            trap 'kill $server; wait $server; : >closed' USR1; trap serve USR2
            serve; while :; do wait; sleep 0.05; done
            """;
        var start = await _processes.StartOf(Script);
        var runtime = _processes.NewRuntime();
        var started = await runtime.StartAsync(start, default);
        var addresses = new Dictionary<BackendIdentity, string> { [start.Identity] = started!.Address };
        await Eventually.SeenAsync(c => runtime.LookAtListenerAsync(start.Identity, started.Address, c), l => l.IsOwn, "it listens");
        Assert.Empty(await runtime.FindDisplacedAsync(addresses, default));

        Assert.True(Signals.Send(ChildOf(start.Identity), Signal.User1));
        await Eventually.TrueAsync(() => File.Exists(_processes.FileOf(start.Identity, "work/closed")), "it has closed its port");

        // It may listen again.
        Assert.Empty(await runtime.FindDisplacedAsync(addresses, default));
        using (var other = new TcpListener(IPAddress.Any, start.Port))
        {
            other.Start();
            Assert.Equal([start.Identity], await runtime.FindDisplacedAsync(addresses, default));

            // An agent that has never seen its socket finds the same.
            Assert.Equal([start.Identity], await _processes.NewRuntime().FindDisplacedAsync(addresses, default));
        }

        Assert.True(Signals.Send(ChildOf(start.Identity), Signal.User2));
        await Eventually.SeenAsync(c => runtime.LookAtListenerAsync(start.Identity, started.Address, c), l => l.IsOwn, "it listens again");
        Assert.Empty(await runtime.FindDisplacedAsync(addresses, default));
    }

    [Fact]
    public async Task A_container_whose_port_is_not_published_any_more_is_displaced_once_another_program_listens_there()
    {
        var start = await _containers.StartOf(_containers.Serve);
        var runtime = _containers.NewRuntime();
        var started = await runtime.StartAsync(start, default);
        var addresses = new Dictionary<BackendIdentity, string> { [start.Identity] = started!.Address };
        Assert.Empty(await runtime.FindDisplacedAsync(addresses, default));

        // As an operator does: docker network disconnect.
        var engine = await DockerEngine.SharedAsync();
        await engine.Client.Networks.DisconnectNetworkAsync("bridge", new NetworkDisconnectParameters { Container = DockerBench.NameOf(start.Identity), Force = true });
        Assert.Empty(await runtime.FindDisplacedAsync(addresses, default));
        using var other = new TcpListener(IPAddress.Loopback, start.Port);
        other.Start();

        Assert.Equal([start.Identity], await runtime.FindDisplacedAsync(addresses, default));
    }

    [Theory]
    [InlineData("127.0.0.1:80", "127.0.0.1:80")]
    [InlineData("127.0.0.1:80 0.0.0.0:80", "127.0.0.1:80")]
    [InlineData("0.0.0.0:80 [::]:80", "0.0.0.0:80")]
    [InlineData("[::]:80 127.0.0.2:80 127.0.0.1:81", "[::]:80")]
    [InlineData("[::ffff:127.0.0.1]:80 0.0.0.0:80", "[::ffff:127.0.0.1]:80")]
    [InlineData("127.0.0.2:80 [::1]:80", "")]
    public void A_connection_reaches_the_nearest_socket(string listening, string reached)
    {
        var sockets = listening.Split(' ').Select((p, i) => new ListeningSocket(IPEndPoint.Parse(p), i + 1));

        Assert.Equal(reached, string.Join(' ', ListeningSocket.Reached(sockets, IPEndPoint.Parse("127.0.0.1:80")).Select(s => s.EndPoint)));
    }

    [Fact]
    public void Listening_sockets_are_read_with_their_owners()
    {
        using var v4 = new TcpListener(IPAddress.Loopback, FreePort.Next());
        using var v6 = new TcpListener(IPAddress.IPv6Loopback, FreePort.Next());
        v4.Start();
        v6.Start();
        var own = ListeningSocket.OpenIn(Environment.ProcessId).ToHashSet();

        var seen = ListeningSocket.In().Where(s => own.Contains(s.Inode)).Select(s => s.EndPoint).ToList();

        Assert.Contains((IPEndPoint)v4.LocalEndpoint, seen);
        Assert.Contains((IPEndPoint)v6.LocalEndpoint, seen);
    }

    private int ChildOf(BackendIdentity backend) => int.Parse(File.ReadAllText(_processes.FileOf(backend, "child")).Split(' ')[0], System.Globalization.CultureInfo.InvariantCulture);

    private static async Task<ListenerLook> LooksAsync(Bench bench, string script, Func<ListenerLook, bool> expected)
    {
        var start = await bench.StartOf(script);
        var runtime = bench.NewRuntime();
        var started = await runtime.StartAsync(start, default);
        return await Eventually.SeenAsync(c => runtime.LookAtListenerAsync(start.Identity, started!.Address, c), expected, "the socket is seen");
    }
}
