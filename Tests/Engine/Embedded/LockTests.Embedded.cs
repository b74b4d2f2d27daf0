using Microsoft.Extensions.DependencyInjection;
using Orleans;
using Orleans.Activations;
using Orleans.Hosting;
using Orleans.Runtime;
using Plane.Tests.Support;

namespace Plane.Tests.Engine.Embedded;

public sealed class LockTests
{
    [Fact]
    public async Task A_silo_whose_lock_another_holds_does_not_start_and_says_who()
    {
        var taken = new FakeLock { Holder = "pid 42 on host a" };
        var e = await Assert.ThrowsAsync<OrleansConfigurationException>(() => GatewayHost.StartAsync(s => s.Services.AddSingleton<ISiloLock>(taken)));
        Assert.Contains("pid 42 on host a", e.Message, StringComparison.Ordinal);
        Assert.Contains("-p:Engine=Orleans", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_silo_that_loses_its_lock_serves_nothing_until_it_has_it_again()
    {
        var held = new FakeLock();
        await using var silo = await GatewayHost.StartAsync(s => s.Services.AddSingleton<ISiloLock>(held));
        using var client = await silo.ClientAsync();
        var outside = client.Services.GetRequiredService<IGrainFactory>().GetGrain<IProbe>("k");
        var inside = silo.Inside.GetGrain<IProbe>("k");
        await outside.Increment(null);
        held.Holder = "somebody else";
        held.Lose();
        await silo.Signals.HeardAsync("deactivated k RuntimeRequested");
        var e = await Assert.ThrowsAsync<SiloUnavailableException>(() => inside.Peek());
        Assert.Contains("lost its lock", e.Message, StringComparison.Ordinal);
        var waiting = outside.Peek();
        held.Holder = null;
        await silo.Log.LoggedAsync(7022);

        // A new activation: the old one's memory may be out of date.
        Assert.Equal(0, await inside.Peek());
        try
        {
            Assert.Equal(0, await waiting);
        }
        catch (Exception failed) when (CallFailed.IsUnknownOutcome(failed))
        {
            Assert.Equal(0, await outside.Peek());
        }

        await client.StopAsync();
    }

    [Fact]
    public async Task A_lock_that_comes_back_as_the_silo_stops_opens_nothing()
    {
        var held = new FakeLock();
        var silo = await GatewayHost.StartAsync(s => s.Services.AddSingleton<ISiloLock>(held));
        var runtime = silo.Services.GetRequiredService<SiloRuntime>();
        held.Late = new TaskCompletionSource();
        held.Lose();
        await held.AskedLate.Task.WaitAsync(TimeSpan.FromSeconds(90));
        var stopping = silo.DisposeAsync();
        await Eventually.TrueAsync(() => runtime.Closed == "the silo stops", "the silo is closed");
        held.Late.SetResult();
        await stopping;
        Assert.Equal("the silo stops", runtime.Closed);
    }

    [Fact]
    public async Task A_silo_that_stops_gives_its_lock_back()
    {
        var held = new FakeLock();
        var silo = await GatewayHost.StartAsync(s => s.Services.AddSingleton<ISiloLock>(held));
        await silo.DisposeAsync();
        Assert.True(held.WasReleased);
    }

    private sealed class FakeLock : ISiloLock, IDisposable
    {
        private CancellationTokenSource _lost = new();

        public string? Holder { get; set; }

        public bool WasReleased { get; private set; }

        /// <summary>Where set, what the next attempt waits for, whatever becomes of its token.</summary>
        public TaskCompletionSource? Late { get; set; }

        public TaskCompletionSource AskedLate { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public void Lose() => _lost.Cancel();

        public void Dispose() => _lost.Dispose();

        public async Task<SiloLockAttempt> TryTakeAsync(CancellationToken cancellationToken)
        {
            _lost = new CancellationTokenSource();
            if (Late is { } late)
            {
                AskedLate.TrySetResult();
                await late.Task;
            }

            return new SiloLockAttempt(Holder, _lost.Token);
        }

        public Task ReleaseAsync(CancellationToken cancellationToken)
        {
            WasReleased = true;
            return Task.CompletedTask;
        }
    }
}
