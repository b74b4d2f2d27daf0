using System.Collections.Concurrent;
using System.Diagnostics;
using Plane.Hosting;
using Plane.Tests.EndToEnd;
using Plane.Testing;
using Xunit.Abstractions;

namespace Plane.Tests.Cluster;

/// <summary>Two controllers that share the work and take over from each other. The tests run one after another; each finds both running.</summary>
public sealed class ClusterTests(Controllers cluster, ITestOutputHelper output) : IClassFixture<Controllers>, IAsyncLifetime
{
    /// <summary>What a takeover may take here; on an idle machine it is a few seconds.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        await cluster.MendAsync();
        await cluster.EndBackendsAsync();
    }

    [Fact]
    public async Task Any_controller_answers_for_any_key_and_backend()
    {
        var keys = NewKeys(4);
        var first = await Task.WhenAll(keys.Select(k => cluster.ConnectAsync(cluster.One.Url, k)));
        var second = await Task.WhenAll(keys.Select(k => cluster.ConnectAsync(cluster.Two.Url, k)));
        var third = await Task.WhenAll(keys.Select(k => cluster.ConnectAsync(cluster.Balancer, k)));
        Assert.Equal(first.Select(c => c.Backend), second.Select(c => c.Backend));
        Assert.Equal(first.Select(c => c.Backend), third.Select(c => c.Backend));
        Assert.All(second.Concat(third), c => Assert.False(c.Spawned));
        foreach (var connected in third)
        {
            using var response = await cluster.Http.GetAsync(connected.Url);
            var text = await response.Content.ReadAsStringAsync();
            Assert.True(text.Contains(connected.Backend, StringComparison.Ordinal), $"{(int)response.StatusCode} {text}\n{cluster.Transcripts()}");
        }
    }

    [Fact]
    public async Task Logs_and_events_are_followed_over_a_controllers_end_and_return_without_a_loss_and_without_a_repeat()
    {
        var key = NewKeys(1)[0];
        var script = "busybox httpd -f -p 127.0.0.1:$PORT -h . & i=0; while :; do echo tick $i; i=$((i+1)); sleep 0.05; done";
        var backend = (await cluster.ConnectAsync(cluster.Two.Url, key, script)).Backend;
        await using var logs = await cluster.StartAsync("logs", ["logs", backend, "--follow", "--tail", "10000", "--controller", cluster.One.Url.AbsoluteUri]);
        await using var events = await cluster.StartAsync("events", ["events", "--follow", "--controller", cluster.One.Url.AbsoluteUri]);
        await logs.WaitForLineAsync("^tick 10$", Patience);
        await events.WaitForLineAsync(backend, Patience);

        cluster.One.Program!.Send(Signal.Kill);
        await cluster.One.Program!.WaitForExitAsync(Patience);
        var during = (await cluster.ConnectAsync(cluster.Two.Url, NewKeys(1)[0])).Backend;
        await cluster.StartNodeAsync(cluster.One);
        await events.WaitForLineAsync($"{during}.*ready", Patience);
        var reached = logs.Lines.Count;
        await Eventually.TrueAsync(() => logs.Lines.Count > reached + 20, "lines come again");
        using var ended = await cluster.Http.PostAsync(new Uri(cluster.Two.Url, $"/ctrl/b/{backend}/hard-terminate"), null);

        Assert.True(await logs.WaitForExitAsync(Patience) == 0, cluster.Transcripts());
        var ticks = logs.Lines.Where(l => l.StartsWith("tick ", StringComparison.Ordinal)).ToArray();
        Assert.Equal(Enumerable.Range(0, ticks.Length).Select(i => $"tick {i}"), ticks);
        Assert.DoesNotContain(logs.Lines, l => l.Contains("dropped", StringComparison.Ordinal));
        await events.WaitForLineAsync($"{backend}.*terminated", Patience);
        Assert.Equal(events.Lines.Distinct(), events.Lines);
    }

    [Fact]
    public async Task Many_connects_at_once_to_a_new_key_over_both_controllers_get_one_backend()
    {
        var key = NewKeys(1)[0];
        var all = await Task.WhenAll(Enumerable.Range(0, 20).Select(i => cluster.ConnectAsync(cluster.Nodes[i % 2].Url, key)));
        Assert.Single(all.Select(c => c.Backend).Distinct());
        Assert.Single(all, c => c.Spawned);
    }

    [Fact]
    public async Task A_status_stream_of_one_controller_hears_what_was_done_through_the_other()
    {
        var connected = await cluster.ConnectAsync(cluster.One.Url, NewKeys(1)[0]);
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(cluster.Two.Url, $"/pub/b/{connected.Backend}/status-stream"));
        using var response = await cluster.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());
        using var ended = await cluster.Http.PostAsync(new Uri(cluster.One.Url, $"/ctrl/b/{connected.Backend}/hard-terminate"), null);
        Assert.True(ended.IsSuccessStatusCode);
        var text = await Eventually.EndsAsync(reader.ReadToEndAsync(), "the stream ends with the backend");
        Assert.Contains("\"terminated\"", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task When_a_controller_is_killed_the_other_answers_for_every_key_and_no_session_ends()
    {
        var keys = NewKeys(8);
        var before = await Task.WhenAll(keys.Select(k => cluster.ConnectAsync(cluster.One.Url, k)));
        await using var load = new RouteLoad(cluster.Http, before);
        await load.PassedAsync(20);

        // Tokens that the proxy has not been asked for yet: the controller that is left says where they lead.
        var unknown = await Task.WhenAll(keys.Select(k => cluster.ConnectAsync(cluster.Two.Url, k)));
        var clock = Stopwatch.StartNew();
        await cluster.One.Program!.KillAsync();
        var resolving = Task.WhenAll(unknown.Select(async u =>
        {
            using var response = await cluster.Http.GetAsync(u.Url);
            return (Status: (int)response.StatusCode, Text: await response.Content.ReadAsStringAsync(), After: clock.Elapsed);
        }));

        // No second try: keys belong to no controller, so the one that is left answers for all of them as before.
        var waits = new ConcurrentBag<TimeSpan>();
        var after = await Task.WhenAll(keys.Concat(NewKeys(1)).Select(async k =>
        {
            var (connected, reason) = await cluster.TryConnectAsync(cluster.Two.Url, k);
            Assert.True(connected is not null, $"a connect to {k}: {reason}\n{cluster.Transcripts()}");
            waits.Add(clock.Elapsed);
            return connected;
        }));
        output.WriteLine($"connects after the kill: {string.Join(", ", waits.Order().Select(w => $"{w.TotalSeconds:0.00} s"))}");
        Assert.Equal(before.Select(c => c.Backend), after[..^1].Select(c => c.Backend));
        Assert.True(after[^1].Spawned);
        var resolved = await Eventually.EndsAsync(resolving, "requests with unknown tokens are answered");
        output.WriteLine($"unknown tokens after the kill: {string.Join(", ", resolved.Select(r => r.After).Order().Select(w => $"{w.TotalSeconds:0.00} s"))}");
        Assert.All(resolved.Zip(unknown), r => Assert.True(r.First.Text.Contains(r.Second.Backend, StringComparison.Ordinal), $"{r.First.Status} {r.First.Text}\n{cluster.Transcripts()}"));
        await load.PassedAsync(20);
        Assert.Empty(load.Failures);
        foreach (var connected in after[..^1])
        {
            Assert.Equal("ready", await cluster.StatusAsync(cluster.Two.Url, connected.Backend));
        }

        await cluster.StartNodeAsync(cluster.One);
        Assert.Equal(before[0].Backend, (await cluster.ConnectAsync(cluster.One.Url, keys[0])).Backend);
    }

    [Fact]
    public async Task A_rolling_restart_under_load_fails_nobody()
    {
        var keys = NewKeys(6);
        var known = await Task.WhenAll(keys.Select(k => cluster.ConnectAsync(cluster.Balancer, k)));
        await using var load = new RouteLoad(cluster.Http, known);

        // What is promised is promised of known routes; one that is asked for while its controller stops waits for an answer of the other.
        await load.PassedAsync(20);
        using var stop = new CancellationTokenSource();
        var failed = new ConcurrentBag<string>();
        var retried = 0;
        var connects = 0;
        var callers = keys.Select((k, i) => Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested)
            {
                var (connected, reason) = await cluster.TryConnectAsync(cluster.Balancer, k);
                Interlocked.Increment(ref connects);
                if (connected is null)
                {
                    // A client's single retry.
                    Interlocked.Increment(ref retried);
                    (connected, var again) = await cluster.TryConnectAsync(cluster.Balancer, k);
                    if (connected is null)
                    {
                        failed.Add($"{reason}, then {again}");
                        continue;
                    }
                }

                Assert.Equal(known[i].Backend, connected.Backend);

                // Six that never paused would take from the controllers what they need to start.
                await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System);
            }
        })).ToArray();
        foreach (var node in cluster.Nodes)
        {
            Assert.Equal(ExitCodes.Done, await node.Program!.StopAsync(Patience));
            await cluster.StartNodeAsync(node);
            await cluster.BalancerSeesAsync(node);
        }

        await stop.CancelAsync();
        await Eventually.EndsAsync(Task.WhenAll(callers), "the load ends");
        await load.PassedAsync(20);
        output.WriteLine($"{connects} connects, {retried} repeated; {load.Passed} requests");
        Assert.True(failed.IsEmpty, $"{string.Join('\n', failed.Take(5))}\n{cluster.Transcripts()}");
        Assert.Empty(load.Failures);
    }

    [Fact]
    public async Task A_database_that_was_away_is_found_again_by_both()
    {
        var key = NewKeys(1)[0];
        var before = await cluster.ConnectAsync(cluster.One.Url, key);
        await using var load = new RouteLoad(cluster.Http, [before]);
        await cluster.Server.StopAsync();
        foreach (var node in cluster.Nodes)
        {
            await cluster.HealthAsync(node, healthy: false);
        }

        Assert.Null((await cluster.TryConnectAsync(cluster.Two.Url, key)).Connected);
        await cluster.Server.RestartAsync();
        foreach (var node in cluster.Nodes)
        {
            Assert.Equal(before.Backend, (await cluster.ConnectAsync(node.Url, key, Patience)).Backend);
            await cluster.HealthAsync(node, healthy: true);
        }

        await load.PassedAsync(10);
        Assert.Empty(load.Failures);
    }

    [Fact]
    public async Task A_controller_of_another_cluster_id_is_refused_and_told_which_it_is()
    {
        var stranger = new Controllers.Node("co-stranger");
        await using var program = await cluster.StartAsync(stranger.Name, cluster.Arguments(stranger, cluster.Database.Url, "--cluster-id", "other"));
        Assert.Equal(ExitCodes.Refused, await program.WaitForExitAsync(Patience));
        Assert.Contains(program.Lines, l => l.Contains("the database belongs to the cluster 'plane' (service 'plane'), and this controller is of 'other'", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Of_three_controllers_one_is_killed_and_the_other_two_serve_every_key()
    {
        var third = new Controllers.Node("co-three");
        await cluster.StartNodeAsync(third);
        Controllers.Node[] all = [.. cluster.Nodes, third];
        var keys = NewKeys(12);
        var before = await Task.WhenAll(keys.Select((k, i) => cluster.ConnectAsync(all[i % 3].Url, k)));
        await using var load = new RouteLoad(cluster.Http, before);
        await load.PassedAsync(20);
        await cluster.Two.Program!.KillAsync();
        foreach (var survivor in (Controllers.Node[])[cluster.One, third])
        {
            var after = await Task.WhenAll(keys.Select(k => cluster.ConnectAsync(survivor.Url, k, Patience)));
            Assert.Equal(before.Select(c => c.Backend), after.Select(c => c.Backend));
            var fresh = await Task.WhenAll(NewKeys(6).Select(k => cluster.ConnectAsync(survivor.Url, k, Patience)));
            Assert.All(fresh, c => Assert.True(c.Spawned));
        }

        await Eventually.SeenAsync(_ => cluster.AliveAsync(), n => n == 2, "two of three are left", Patience);
        await cluster.StartNodeAsync(cluster.Two);
        Assert.Equal(ExitCodes.Done, await third.Program!.StopAsync(Patience));
        var back = await Task.WhenAll(keys.Select((k, i) => cluster.ConnectAsync(cluster.Nodes[i % 2].Url, k)));
        Assert.Equal(before.Select(c => c.Backend), back.Select(c => c.Backend));
        await load.PassedAsync(20);
        Assert.Empty(load.Failures);
    }

    [Fact]
    public async Task Of_controllers_that_do_not_reach_each_other_one_ends_and_no_key_gets_two_backends()
    {
        var held = NewKeys(4);
        var before = await Task.WhenAll(held.Select((k, i) => cluster.ConnectAsync(cluster.Nodes[i % 2].Url, k)));
        await using var load = new RouteLoad(cluster.Http, before);
        await load.PassedAsync(20);
        using var stop = new CancellationTokenSource();

        // Both live, and both reach the database, the drone and the proxy: keys are fought for over either.
        var fought = NewKeys(6).ToDictionary(k => k, _ => new ConcurrentBag<Connected>());
        cluster.Divide();
        var callers = fought.SelectMany(f => cluster.Nodes.Select(n => Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested)
            {
                if ((await cluster.TryConnectAsync(n.Url, f.Key)).Connected is { } connected)
                {
                    f.Value.Add(connected);
                }

                await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System);
            }
        }))).ToArray();
        await Eventually.EndsAsync(Task.WhenAny(cluster.Nodes.Select(n => n.Program!.Exited)), $"one of them ends\n{cluster.Transcripts()}", Patience);
        var (ended, left) = cluster.One.Program!.HasExited ? (cluster.One, cluster.Two) : (cluster.Two, cluster.One);
        SaysThatItIsDead(ended);
        var after = await Task.WhenAll(held.Concat(fought.Keys).Select(k => cluster.ConnectAsync(left.Url, k, Patience)));
        await stop.CancelAsync();
        await Eventually.EndsAsync(Task.WhenAll(callers), "the callers end", Patience);
        Assert.Equal(before.Select(c => c.Backend), after.Take(held.Length).Select(c => c.Backend));
        foreach (var (connected, key) in after.Skip(held.Length).Zip(fought.Keys))
        {
            Assert.All(fought[key], c => Assert.Equal(connected.Backend, c.Backend));
            Assert.InRange(fought[key].Append(connected).Count(c => c.Spawned), 0, 1);
        }

        output.WriteLine($"{ended.Name} ended; {fought.Sum(f => f.Value.Count)} connects to {fought.Count} new keys");
        Assert.False(left.Program!.HasExited);
        cluster.Reunite();
        await cluster.StartNodeAsync(ended);
        Assert.Equal(before[0].Backend, (await cluster.ConnectAsync(ended.Url, held[0])).Backend);
        await load.PassedAsync(20);
        Assert.Empty(load.Failures);
    }

    [Fact]
    public async Task While_a_controller_is_stopped_the_other_answers_for_unknown_tokens_and_new_keys()
    {
        var keys = NewKeys(4);
        var known = await Task.WhenAll(keys.Select(k => cluster.ConnectAsync(cluster.Two.Url, k)));
        await using var load = new RouteLoad(cluster.Http, known);
        await load.PassedAsync(4);

        // One of the two is what the proxy's calls go over.
        foreach (var node in (Controllers.Node[])[cluster.Two, cluster.One])
        {
            var tokens = await Task.WhenAll(keys.Select(k => cluster.ConnectAsync(cluster.One.Url, k)));
            node.Program!.Send(Signal.Stop);
            foreach (var unknown in tokens)
            {
                var clock = Stopwatch.StartNew();
                using var response = await cluster.Http.GetAsync(unknown.Url);
                var text = await response.Content.ReadAsStringAsync();
                output.WriteLine($"first request while {node.Name} is stopped: {clock.Elapsed.TotalSeconds:0.00} s");
                Assert.True(text.Contains(unknown.Backend, StringComparison.Ordinal), $"{(int)response.StatusCode} {text}\n{cluster.Transcripts()}");
            }

            // Not because the other had declared it dead.
            Assert.Equal(2, await cluster.AliveAsync());
            await load.PassedAsync(4);
            if (node == cluster.Two)
            {
                node.Program!.Send(Signal.Continue);
            }
        }

        Assert.Empty(load.Failures);

        // Nor does the drone wait for it.
        foreach (var key in NewKeys(2))
        {
            var connected = await cluster.ConnectAsync(cluster.Two.Url, key);
            using var response = await cluster.Http.GetAsync(connected.Url);
            Assert.True(response.IsSuccessStatusCode, $"{(int)response.StatusCode}\n{cluster.Transcripts()}");
        }

        await Eventually.SeenAsync(_ => cluster.AliveAsync(), n => n == 1, "one is left", Patience);
        cluster.One.Program!.Send(Signal.Continue);
        await cluster.One.Program!.WaitForExitAsync(Patience);
        await cluster.StartNodeAsync(cluster.One);
    }

    [Fact]
    public async Task A_controller_that_stood_still_until_the_others_gave_it_up_ends_and_says_why()
    {
        var keys = NewKeys(8);
        var before = await Task.WhenAll(keys.Select((k, i) => cluster.ConnectAsync(cluster.Nodes[i % 2].Url, k)));
        cluster.Two.Program!.Send(Signal.Stop);
        await Eventually.SeenAsync(_ => cluster.AliveAsync(), n => n == 1, "one is left", Patience);
        var between = await Task.WhenAll(keys.Select(k => cluster.ConnectAsync(cluster.One.Url, k, Patience)));
        cluster.Two.Program!.Send(Signal.Continue);
        await cluster.Two.Program!.WaitForExitAsync(Patience);
        SaysThatItIsDead(cluster.Two);
        await cluster.StartNodeAsync(cluster.Two);
        var after = await Task.WhenAll(keys.Select(k => cluster.ConnectAsync(cluster.Two.Url, k)));
        await cluster.AssertSameAsync(cluster.One.Url, before, between);
        await cluster.AssertSameAsync(cluster.One.Url, before, after);
    }

    private static void SaysThatItIsDead(Controllers.Node node)
    {
        Assert.True(node.Program!.ExitCode == ExitCodes.Refused, $"exited with {node.Program.ExitCode}. {node.Program.Transcript()}");
        Assert.Contains(node.Program.Lines, l => l.Contains("the other controllers have declared this one dead", StringComparison.Ordinal));
    }

    private static string[] NewKeys(int count) => [.. Enumerable.Range(0, count).Select(_ => $"k{Guid.NewGuid():N}")];
}

/// <summary>Requests over known routes, one after another for each, until disposed of.</summary>
internal sealed class RouteLoad : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly Task[] _callers;
    private readonly ConcurrentDictionary<int, bool> _known = [];
    private int _passed;

    public RouteLoad(HttpClient http, IEnumerable<Connected> routes) =>
        _callers = [.. routes.Select((r, i) => Task.Run(async () =>
        {
            while (!_stop.IsCancellationRequested)
            {
                try
                {
                    using var response = await http.GetAsync(r.Url);
                    if (response.IsSuccessStatusCode)
                    {
                        Interlocked.Increment(ref _passed);
                        _known[i] = true;
                    }
                    else
                    {
                        Failures.Add($"{(int)response.StatusCode} {await response.Content.ReadAsStringAsync()}");
                    }
                }
                catch (Exception e) when (e is HttpRequestException or TaskCanceledException)
                {
                    Failures.Add(e.Message);
                }

                // Enough to notice any gap; the machine's time belongs to what is tested.
                await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System);
            }
        }))];

    public ConcurrentBag<string> Failures { get; } = [];

    public int Passed => Volatile.Read(ref _passed);

    /// <summary>Waits until so many more requests were answered, and one at least over each route: from then on it is known.</summary>
    public async Task PassedAsync(int more)
    {
        var from = Passed;
        await Eventually.TrueAsync(() => (Passed >= from + more && _known.Count == _callers.Length) || !Failures.IsEmpty, $"{more} more requests pass");
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await Task.WhenAll(_callers);
        _stop.Dispose();
    }
}
