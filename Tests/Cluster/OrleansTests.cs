using System.Collections.Concurrent;
using Microsoft.Extensions.DependencyInjection;
using Orleans;
using Orleans.Concurrency;
using Orleans.Runtime;
using Orleans.Runtime.GrainDirectory;
using Orleans.TestingHost;
using Plane.Client;
using Plane.Hosting.Running;
using Plane.Silo.Cluster;

namespace Plane.Tests.Cluster;

/// <summary>What Plane depends on and Orleans does not promise in its documentation: an update of its packages that changes it fails here. Two silos.</summary>
public sealed class OrleansTests : IAsyncLifetime
{
    private readonly ProbeSignals _signals = new();
    private readonly InProcessTestCluster _cluster;

    public OrleansTests()
    {
        var builder = new InProcessTestClusterBuilder(2);
        builder.ConfigureSilo((_, silo) =>
        {
            silo.Services.AddSingleton(_signals);
            silo.Services.AddSingleton<IGrainDirectoryResolver, LocalGrainDirectory>();
            silo.Services.KeepExceptions();
        });
        builder.ConfigureClient(client => client.Services.KeepExceptions());
        _cluster = builder.Build();
    }

    public async Task InitializeAsync() => await _cluster.DeployAsync();

    public async Task DisposeAsync() => await _cluster.DisposeAsync();

    [Fact]
    public async Task A_stateless_worker_is_called_in_the_silo_that_calls_it()
    {
        foreach (var silo in _cluster.Silos)
        {
            var grains = silo.ServiceProvider.GetRequiredService<IGrainFactory>();
            var answers = await Task.WhenAll(Enumerable.Range(0, 50).Select(i => grains.GetGrain<ILocalProbe>($"key-{i}").Where()));
            Assert.Equal([silo.SiloAddress.ToString()], answers.Distinct());
        }
    }

    [Fact]
    public async Task Calls_at_once_to_a_stateless_worker_of_one_activation_meet_one()
    {
        var grain = _cluster.Silos[0].ServiceProvider.GetRequiredService<IGrainFactory>().GetGrain<ILocalProbe>("one");
        Assert.Single((await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => grain.Activation()))).Distinct());
    }

    [Fact]
    public void The_directory_of_a_stateless_worker_is_the_local_one_and_that_of_other_grains_is_not()
    {
        var silo = _cluster.Silos[0].ServiceProvider;
        var manifest = silo.GetRequiredService<IClusterManifestProvider>().LocalGrainManifest;
        var directory = silo.GetServices<IGrainDirectoryResolver>().OfType<LocalGrainDirectory>().Single();
        bool IsLocal(IAddressable grain)
        {
            var type = grain.GetGrainId().Type;
            return directory.TryResolveGrainDirectory(type, manifest.Grains[type], out _);
        }

        Assert.True(IsLocal(_cluster.Client.GetGrain<ILocalProbe>("x")));
        Assert.False(IsLocal(_cluster.Client.GetGrain<IProbe>("x")));
    }

    [Fact]
    public async Task A_cancelled_call_ends_at_once_and_the_grain_learns_of_it()
    {
        var key = Guid.NewGuid().ToString("N");
        using var source = new CancellationTokenSource();
        var call = _cluster.Client.GetGrain<IProbe>(key).WaitForCancellation(source.Token);
        await _signals.Waiting(key).WaitAsync(TimeSpan.FromMinutes(1));
        await source.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call);
        await _signals.Cancelled(key).WaitAsync(TimeSpan.FromMinutes(1));
    }

    [Fact]
    public async Task Exceptions_of_ours_cross_the_wire_with_type_and_message()
    {
        var e = await Assert.ThrowsAsync<StartRefusedException>(() => _cluster.Client.GetGrain<IProbe>("x").Throw("the reason"));
        Assert.Equal("the reason", e.Message);
    }

    [Fact]
    public async Task A_call_without_an_answer_ends_in_a_time_out_which_is_an_unknown_outcome()
    {
        var e = await Assert.ThrowsAsync<TimeoutException>(() => _cluster.Client.GetGrain<IProbe>("x").NeverEnds());
        Assert.True(CallFailed.IsUnknownOutcome(e));
    }

    [Fact]
    public void The_set_of_unknown_outcomes_is_time_outs_and_failures_of_the_cluster()
    {
        Assert.True(CallFailed.IsUnknownOutcome(new SiloUnavailableException()));
        Assert.True(CallFailed.IsUnknownOutcome(new OrleansException()));
        Assert.False(CallFailed.IsUnknownOutcome(new OperationCanceledException()));
        Assert.False(CallFailed.IsUnknownOutcome(new InvalidOperationException()));
    }
}

[Alias("tests.ILocalProbe")]
public interface ILocalProbe : IGrainWithStringKey
{
    [Alias("Where")]
    Task<string> Where();

    [Alias("Activation")]
    Task<string> Activation();
}

[StatelessWorker(1)]
public sealed class LocalProbe(ILocalSiloDetails silo) : Grain, ILocalProbe
{
    private readonly string _activation = Guid.NewGuid().ToString("N");

    public Task<string> Where() => Task.FromResult(silo.SiloAddress.ToString());

    public Task<string> Activation() => Task.FromResult(_activation);
}

[Alias("tests.IProbe")]
public interface IProbe : IGrainWithStringKey
{
    [Alias("Throw")]
    Task Throw(string message);

    [Alias("WaitForCancellation")]
    Task WaitForCancellation(CancellationToken cancellationToken);

    [Alias("NeverEnds"), ResponseTimeout("00:00:01"), AlwaysInterleave]
    Task NeverEnds();
}

public sealed class Probe(ProbeSignals signals) : Grain, IProbe
{
    public Task Throw(string message) => throw new StartRefusedException(message);

    public async Task WaitForCancellation(CancellationToken cancellationToken)
    {
        var key = this.GetPrimaryKeyString();
        using var cancelled = cancellationToken.Register(() => signals.SetCancelled(key));
        signals.SetWaiting(key);
        await Task.Delay(Timeout.Infinite, cancellationToken);
    }

    public Task NeverEnds() => new TaskCompletionSource().Task;
}

/// <summary>What a probe tells its test beside its answers.</summary>
public sealed class ProbeSignals
{
    private readonly ConcurrentDictionary<string, TaskCompletionSource> _signals = new();

    public Task Waiting(string key) => Of("waiting " + key).Task;

    public Task Cancelled(string key) => Of("cancelled " + key).Task;

    public void SetWaiting(string key) => Of("waiting " + key).TrySetResult();

    public void SetCancelled(string key) => Of("cancelled " + key).TrySetResult();

    private TaskCompletionSource Of(string name) => _signals.GetOrAdd(name, static _ => new(TaskCreationOptions.RunContinuationsAsynchronously));
}
