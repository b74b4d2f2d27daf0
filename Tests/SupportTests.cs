using System.Net.Http.Json;
using System.Net.WebSockets;
using System.Text.Json.Nodes;
using Docker.DotNet.Models;
using Npgsql;
using Plane.Testing;
using Xunit.Abstractions;

namespace Plane.Tests;

/// <summary>The parts that every other test leans on.</summary>
public sealed class SupportTests(ITestOutputHelper output)
{
    private static readonly HttpClient Http = new();

    [Fact]
    public async Task A_database_is_durable_and_of_the_test_alone()
    {
        var server = await PostgresServer.SharedAsync();
        await using var first = await server.CreateDatabaseAsync("support", async connection =>
        {
            await using var c = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(connection) { Pooling = false }.ConnectionString);
            await c.OpenAsync();
            await new NpgsqlCommand("create table t (n int); insert into t values (7)", c).ExecuteNonQueryAsync();
        });
        await using var second = await server.CreateDatabaseAsync("support", _ => throw new InvalidOperationException("prepared once"));

        await using var connection = new NpgsqlConnection(second.ConnectionString);
        await connection.OpenAsync();

        Assert.NotEqual(first.Name, second.Name);
        Assert.Equal(7, await new NpgsqlCommand("select n from t", connection).ExecuteScalarAsync());
        Assert.Equal("on", await new NpgsqlCommand("show fsync", connection).ExecuteScalarAsync());
        Assert.Equal("on", await new NpgsqlCommand("show synchronous_commit", connection).ExecuteScalarAsync());
    }

    [Fact]
    public async Task A_servers_data_survive_a_crash()
    {
        await using var server = await PostgresServer.StartAsync(output);
        await using var connection = new NpgsqlConnection(server.AdminConnectionString);
        await connection.OpenAsync();
        await new NpgsqlCommand("create table t (n int); insert into t values (7)", connection).ExecuteNonQueryAsync();

        await server.StopAsync(Signal.Kill);
        await server.RestartAsync(output);

        await using var again = new NpgsqlConnection(server.AdminConnectionString);
        await again.OpenAsync();
        Assert.Equal(7, await new NpgsqlCommand("select n from t", again).ExecuteScalarAsync());
    }

    [Fact]
    public async Task A_backend_runs_as_a_process()
    {
        using var directory = new TempDirectory();
        var port = FreePort.Next();
        await using var backend = await RunningProgram.StartDotnetAsync(
            Checkout.Backend,
            ["--exit-code=3", $"--record={directory["life"]}"],
            output,
            new Dictionary<string, string?> { ["PORT"] = $"{port}", ["SESSION_BACKEND_ID"] = "b1", ["SESSION_BACKEND_FENCING_TOKEN"] = "42", ["SESSION_BACKEND_KEY"] = "a key" });
        await backend.WaitForLineAsync($"listening on {port}");

        var echo = await Http.GetFromJsonAsync<JsonNode>($"http://127.0.0.1:{port}/echo/a%2Fb?c=d");
        Assert.Equal("/echo/a%2Fb?c=d", echo!["target"]!.GetValue<string>());
        using var socket = new ClientWebSocket();
        await socket.ConnectAsync(new Uri($"ws://127.0.0.1:{port}/ws"), CancellationToken.None);
        await socket.SendAsync("who"u8.ToArray(), WebSocketMessageType.Text, true, CancellationToken.None);
        var buffer = new byte[10];
        Assert.Equal(2, (await socket.ReceiveAsync(buffer, CancellationToken.None)).Count);

        Assert.Equal(3, await backend.StopAsync());
        var life = File.ReadAllLines(directory["life"]).Select(l => l.Split(' ')).ToArray();
        Assert.Equal(["start", "stop"], [life[0][1], life[^1][1]]);
        Assert.Equal(["b1", "42", "a%20key"], life[0][2..5]);
    }

    [Fact]
    public async Task A_backend_can_ignore_a_signal_and_is_gone_with_its_object()
    {
        int pid;
        await using (var backend = await RunningProgram.StartDotnetAsync(Checkout.Backend, ["--ignore-sigterm", "--listen=never"], output))
        {
            pid = backend.Pid;
            await backend.WaitForLineAsync("^not listening");
            backend.Send(Signal.Terminate);
            await backend.WaitForLineAsync("^signal ignored");
            Assert.False(backend.HasExited);
        }

        Assert.False(Signals.IsAlive(pid));
    }

    [Fact]
    public async Task Images_made_on_this_machine_serve()
    {
        var engine = await DockerEngine.SharedAsync();
        foreach (var (image, path, text) in new[]
        {
            (await DockerImages.BackendAsync(), "/", "testbackend"),
            (await DockerImages.BusyboxAsync(), "/index.html", "busybox"),
        })
        {
            var port = FreePort.Next();
            var id = await engine.RunAsync(image, hostConfig: new HostConfig
            {
                PortBindings = new Dictionary<string, IList<PortBinding>> { ["8080/tcp"] = [new PortBinding { HostIP = "127.0.0.1", HostPort = $"{port}" }] },
            });
            try
            {
                var body = await Eventually.SeenAsync(
                    cancel => Http.GetStringAsync($"http://127.0.0.1:{port}{path}", cancel), seen => seen.Contains(text, StringComparison.Ordinal), $"{image} says '{text}'");
                output.WriteLine($"{image}: {body}{await engine.LogsAsync(id)}");
            }
            finally
            {
                await engine.RemoveAsync(id);
            }

            Assert.False(await engine.IsRunningAsync(id));
        }
    }

    [Fact]
    public async Task A_wait_that_fails_says_what_was_seen()
    {
        var n = 0;
        var failure = await Assert.ThrowsAnyAsync<Xunit.Sdk.XunitException>(
            () => Eventually.SeenAsync(() => $"n is {Math.Min(++n, 3)}", seen => seen == "never", "n is never", TimeSpan.FromMilliseconds(200)));

        Assert.Contains("n is 1", failure.Message, StringComparison.Ordinal);
        Assert.Contains("n is 3", failure.Message, StringComparison.Ordinal);
        Assert.Contains("Expected within 0.2 s: n is never", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_wait_that_fails_says_that_it_was_the_observer_who_hung()
    {
        var failure = await Assert.ThrowsAnyAsync<Xunit.Sdk.XunitException>(
            () => Eventually.SeenAsync(_ => new TaskCompletionSource<int>().Task, _ => true, "an answer", TimeSpan.FromMilliseconds(50)));

        Assert.Contains("had not come back", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Ports_are_never_given_twice()
    {
        var ports = Enumerable.Range(0, 50).AsParallel().SelectMany(i => i % 2 == 0 ? [FreePort.Next()] : Enumerable.Range(FreePort.Range(3), 3)).ToArray();

        Assert.Equal(ports.Length, ports.Distinct().Count());
    }
}
