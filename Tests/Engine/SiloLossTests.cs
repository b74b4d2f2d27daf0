using Orleans;

namespace Plane.Tests.Engine;

public sealed class SiloLossTests : IAsyncLifetime
{
    /// <summary>What the slower of both engines may take, with room for a busy machine.</summary>
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(90);

    private ProbeCluster _cluster = null!;

    public async Task InitializeAsync() => _cluster = await ProbeCluster.StartAsync(timeout: TimeSpan.FromSeconds(5));

    public async Task DisposeAsync() => await _cluster.DisposeAsync();

    [Fact]
    public async Task A_call_under_way_when_the_silo_is_killed_ends_with_an_unknown_outcome()
    {
        var grain = _cluster.NewProbe();
        var call = grain.Increment("never");
        await _cluster.Signals.HeardAsync($"increment {grain.GetPrimaryKeyString()}");
        await _cluster.Cluster.KillSiloAsync(_cluster.Cluster.Primary!);
        await FailsUnknownAsync(call);
    }

    [Fact]
    public async Task A_waiting_call_when_the_silo_stops_ends_with_an_unknown_outcome()
    {
        var grain = _cluster.NewProbe();
        using var source = new CancellationTokenSource();
        var call = grain.WaitForCancellation("never", source.Token);
        await _cluster.Signals.HeardAsync($"waiting {grain.GetPrimaryKeyString()}");
        await _cluster.Cluster.StopSiloAsync(_cluster.Cluster.Primary!);
        await FailsUnknownAsync(call);
    }

    [Fact]
    public async Task A_call_while_no_silo_is_there_ends_with_an_unknown_outcome()
    {
        await _cluster.Cluster.StopSiloAsync(_cluster.Cluster.Primary!);
        await FailsUnknownAsync(_cluster.NewProbe().Peek());
    }

    [Fact]
    public async Task Calls_succeed_again_after_a_restart()
    {
        var grain = _cluster.NewProbe();
        await grain.Increment(null);
        var silo = _cluster.Cluster.Primary!;
        await _cluster.Cluster.KillSiloAsync(silo);
        await _cluster.Cluster.RestartSiloAsync(silo);
        Assert.Equal(0, await RetriedAsync(grain.Peek));
    }

    [Fact]
    public async Task Calls_of_a_load_over_a_restart_fail_only_within_the_set()
    {
        using var stop = new CancellationTokenSource();
        var callers = Enumerable.Range(0, 8).Select(_ => Task.Run(async () =>
        {
            var grain = _cluster.NewProbe();
            while (!stop.IsCancellationRequested)
            {
                try
                {
                    await grain.Increment(null);
                }
                catch (Exception e) when (CallFailed.IsUnknownOutcome(e))
                {
                    await Task.Yield();
                }
            }
        })).ToArray();
        var silo = (await _cluster.Cluster.RestartSiloAsync(_cluster.Cluster.Primary!))!;
        await _cluster.Cluster.KillSiloAsync(silo);
        await _cluster.Cluster.RestartSiloAsync(silo);
        await RetriedAsync(_cluster.NewProbe().Peek);
        await stop.CancelAsync();
        await Task.WhenAll(callers).WaitAsync(Limit);
    }

    private static async Task FailsUnknownAsync(Task call)
    {
        Assert.True(await Task.WhenAny(call, Task.Delay(Limit)) == call, $"the call has not ended within {Limit}");
        var e = await Assert.ThrowsAnyAsync<Exception>(() => call);
        Assert.True(CallFailed.IsUnknownOutcome(e), $"not in the set: {e}");
    }

    /// <summary>As every caller does: asks again while the outcome is unknown.</summary>
    private static async Task<T> RetriedAsync<T>(Func<Task<T>> call)
    {
        using var limit = new CancellationTokenSource(Limit);
        while (true)
        {
            try
            {
                return await call();
            }
            catch (Exception e) when (CallFailed.IsUnknownOutcome(e) && !limit.IsCancellationRequested)
            {
                await Task.Yield();
            }
        }
    }
}
