using System.Net;
using System.Net.Sockets;
using Plane.DroneHost.Runtimes;
using Plane.DroneHost.Supervision;
using Plane.Testing;

namespace Plane.Tests.Drone;

/// <summary>When a backend is ready, and what is told of one that isn't.</summary>
public sealed class ReadinessTests
{
    private static readonly TimeSpan s_soon = TimeSpan.FromMilliseconds(50);

    [Fact]
    public async Task What_answers_at_its_address_and_is_not_the_backend_does_not_make_it_ready()
    {
        await using var drone = await DroneUnderTest.StartedAsync(d =>
        {
            d.Options.ListenHintAfter = s_soon;
            d.Runtime.Listener = _ => new ListenerLook(false, "Another program listens there.");
        });
        var backend = drone.Controller.Spawn();
        await NotedAsync(drone, backend, "It is not ready yet. Another program listens there.");
        Assert.DoesNotContain(BackendStatus.Ready, drone.Controller.StatesOf(backend));

        drone.Runtime.Listener = _ => ListenerLook.Own;

        await drone.SeenAsync(backend, BackendStatus.Ready);
    }

    [Fact]
    public async Task A_hint_is_taken_back_before_it_is_ready()
    {
        await using var drone = await DroneUnderTest.StartedAsync(d =>
        {
            d.Options.ListenHintAfter = s_soon;
            d.Runtime.Listener = _ => new ListenerLook(false, "A hint.");
        });
        var backend = drone.Controller.Spawn();
        await NotedAsync(drone, backend, "It is not ready yet. A hint.");
        drone.Runtime.Listener = _ => ListenerLook.Own;

        await drone.SeenAsync(backend, BackendStatus.Ready);

        Assert.Equal("", drone.Controller.States.Last(s => s.Identity == backend && s.Status == BackendStatus.Waiting).Message);
    }

    [Fact]
    public async Task A_ready_backend_whose_address_another_program_has_taken_is_ended_and_says_so()
    {
        await using var drone = await DroneUnderTest.StartedAsync();
        var backend = await drone.ReadyBackendAsync();
        var other = await drone.ReadyBackendAsync();

        drone.Runtime.IsDisplaced = b => b == backend;

        var ended = await drone.EndedAsync(backend);
        Assert.Equal((TerminationReason.InternalError, TerminationKind.Hard), (ended.TerminationReason, ended.TerminationKind));
        Assert.StartsWith("Another program listens on 127.0.0.1:", ended.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(BackendStatus.Terminated, drone.Controller.StatesOf(other));
    }

    [Fact]
    public async Task A_backend_that_is_not_ready_yet_is_not_looked_at_for_another_program()
    {
        await using var drone = await DroneUnderTest.StartedAsync(d => d.Runtime.Listens = false);
        var backend = drone.Controller.Spawn();
        drone.Runtime.IsDisplaced = _ => true;
        await drone.SeenAsync(backend, BackendStatus.Waiting);
        var ready = Assert.IsType<Plane.DroneHost.Supervision.BackendSupervisor>(drone.Backends.Find(backend));

        Assert.Null(ready.ReadyAddress);
    }

    [Fact]
    public async Task A_runtime_that_is_unavailable_while_it_looks_ends_nothing()
    {
        var looks = 0;
        await using var drone = await DroneUnderTest.StartedAsync(d =>
            d.Runtime.Listener = _ => Interlocked.Increment(ref looks) < 3 ? throw new RuntimeUnavailableException("for the test") : ListenerLook.Own);

        await drone.ReadyBackendAsync();

        Assert.Equal(3, looks);
    }

    [Fact]
    public async Task The_end_of_one_that_never_answered_says_why_and_has_its_output()
    {
        await using var drone = await DroneUnderTest.StartedAsync(d =>
        {
            d.Options.StartupLimit = TimeSpan.FromMilliseconds(400);
            d.Options.ListenHintAfter = s_soon;
            d.Runtime.Listens = false;
            d.Runtime.Listener = _ => new ListenerLook(false, "It listens on 127.0.0.1:3000.");
            d.Runtime.Output = "last words";
        });

        var ended = await drone.EndedAsync(drone.Controller.Spawn());

        Assert.Equal(
            (TerminationReason.StartupTimeout, "It did not answer HTTP within 0.4 s. It listens on 127.0.0.1:3000.", "last words"),
            (ended.TerminationReason, ended.Message, ended.OutputTail));
    }

    [Theory]
    [InlineData(0, false, "It exited before it was ready.", "last words")]
    [InlineData(1, false, "It exited before it was ready.", "last words")]
    [InlineData(1, true, null, "last words")]
    [InlineData(0, true, null, null)]
    public async Task An_exit_that_is_a_failure_has_its_output(int code, bool ready, string? message, string? tail)
    {
        await using var drone = await DroneUnderTest.StartedAsync(d =>
        {
            d.Runtime.Listens = ready;
            d.Runtime.Output = "last words";
        });
        var backend = drone.Controller.Spawn();
        await drone.SeenAsync(backend, ready ? BackendStatus.Ready : BackendStatus.Waiting);

        drone.Runtime.Exit(backend, code);

        var ended = await drone.EndedAsync(backend);
        Assert.Equal((null, code, message, tail), (ended.TerminationReason, ended.ExitCode, ended.Message, ended.OutputTail));
    }

    [Fact]
    public async Task One_that_was_told_to_end_keeps_its_output_to_itself()
    {
        await using var drone = await DroneUnderTest.StartedAsync(d => d.Runtime.Output = "last words");
        var backend = await drone.ReadyBackendAsync();

        drone.Controller.Terminate(backend, TerminationKind.Hard);

        Assert.Null((await drone.EndedAsync(backend)).OutputTail);
    }

    [Theory]
    [InlineData("HTTP/1.0 200 OK\r\nServer: x\r\n\r\n", true)]
    [InlineData("HTTP/1.1 500 Oh\r\nContent-Length: 5\r\n\r\n", true)]
    [InlineData("SSH-2.0-x\r\n", false)]
    [InlineData("HT", false)]
    public async Task The_probe_takes_any_answer_and_leaves_none_unread(string head, bool answers)
    {
        using var server = new TcpListener(IPAddress.Loopback, 0);
        server.Start();
        var probe = new HttpProbe(TimeProvider.System).AnswersAsync((IPEndPoint)server.LocalEndpoint, BackendProtocol.Http1, default);
        using var connection = await server.AcceptSocketAsync();
        await connection.ReceiveAsync(new byte[4096]);

        // As Python's http.server does: the head, then the body, then the end.
        await connection.SendAsync(System.Text.Encoding.ASCII.GetBytes(head));
        await connection.SendAsync(new byte[100_000]);
        connection.Shutdown(SocketShutdown.Send);

        Assert.Equal(answers, await probe);

        // A connection that was closed with something unread is reset, and this throws.
        Assert.Equal(0, await connection.ReceiveAsync(new byte[1]));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_backend_that_speaks_h2c_is_ready_by_its_first_frame_and_another_is_not(bool h2c)
    {
        await using var server = await Proxy.WebBackend.StartAsync(_ => Task.CompletedTask, h2c: h2c);
        Assert.Equal(h2c, await new HttpProbe(TimeProvider.System).AnswersAsync(IPEndPoint.Parse(server.Address), BackendProtocol.H2c, default));
    }

    [Fact]
    public async Task The_probe_of_h2c_says_goodbye_and_leaves_nothing_unread()
    {
        using var server = new TcpListener(IPAddress.Loopback, 0);
        server.Start();
        var probe = new HttpProbe(TimeProvider.System).AnswersAsync((IPEndPoint)server.LocalEndpoint, BackendProtocol.H2c, default);
        using var connection = await server.AcceptSocketAsync();
        byte[] settings = [0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 100];
        await connection.SendAsync(settings.AsMemory(0, 5));
        await connection.SendAsync(settings.AsMemory(5));
        var read = new byte[100];
        var count = 0;
        for (int more; (more = await connection.ReceiveAsync(read.AsMemory(count))) > 0;)
        {
            count += more;
        }

        Assert.Equal("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", System.Text.Encoding.ASCII.GetString(read, 0, 24));
        Assert.Equal([0, 0, 0, 4, 0, 0, 0, 0, 0], read[24..33]);
        Assert.Equal([0, 0, 8, 7], read[33..37]);
        Assert.Equal(50, count);
        await connection.SendAsync(new byte[1000]);
        connection.Shutdown(SocketShutdown.Send);
        Assert.True(await probe);
    }

    [Fact]
    public async Task An_answer_that_does_not_end_delays_no_backend()
    {
        using var server = new TcpListener(IPAddress.Loopback, 0);
        server.Start();
        var probe = new HttpProbe(TimeProvider.System).AnswersAsync((IPEndPoint)server.LocalEndpoint, BackendProtocol.Http1, default);
        using var connection = await server.AcceptSocketAsync();

        await connection.SendAsync("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: x\n\n"u8.ToArray());

        Assert.True(await probe);
    }

    private static Task<string> NotedAsync(DroneUnderTest drone, BackendIdentity backend, string message) => Eventually.SeenAsync(
        () => drone.Controller.States.FirstOrDefault(s => s.Identity == backend && s.Status == BackendStatus.Waiting && s.Message is not null)?.Message!,
        m => m == message,
        "the hint is reported");
}
