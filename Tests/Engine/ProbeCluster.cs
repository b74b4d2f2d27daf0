using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Orleans;
using Orleans.Configuration;
using Orleans.Hosting;
using Orleans.TestingHost;

namespace Plane.Tests.Engine;

/// <summary>A cluster of one silo with the probe grains, and what it needs to talk to them.</summary>
public sealed class ProbeCluster : IAsyncLifetime
{
    private const string SignalsKey = "ProbeSignals";
    private const string CollectionAgeKey = "ProbeCollectionAge";
    private const string TimeoutKey = "ProbeTimeout";

    private readonly string _id = Guid.NewGuid().ToString("N");
    private readonly TimeSpan _collectionAge;
    private readonly TimeSpan _timeout;
    private TestCluster? _cluster;

    public ProbeCluster()
        : this(TimeSpan.FromMinutes(15), TimeSpan.FromSeconds(10))
    {
    }

    private ProbeCluster(TimeSpan collectionAge, TimeSpan timeout) => (_collectionAge, _timeout) = (collectionAge, timeout);

    public TestCluster Cluster => _cluster!;

    public IGrainFactory Client => Cluster.GrainFactory;

    public ProbeSignals Signals => ProbeSignals.Of(_id);

    public static async Task<ProbeCluster> StartAsync(TimeSpan? collectionAge = null, TimeSpan? timeout = null)
    {
        var cluster = new ProbeCluster(collectionAge ?? TimeSpan.FromMinutes(15), timeout ?? TimeSpan.FromSeconds(10));
        await cluster.InitializeAsync();
        return cluster;
    }

    /// <summary>A probe that no other test knows.</summary>
    public IProbe NewProbe() => Client.GetGrain<IProbe>(Guid.NewGuid().ToString("N"));

    public async Task InitializeAsync()
    {
        var builder = new TestClusterBuilder(1);
        builder.Properties[SignalsKey] = _id;
        builder.Properties[CollectionAgeKey] = _collectionAge.ToString();
        builder.Properties[TimeoutKey] = _timeout.ToString();
        builder.AddSiloBuilderConfigurator<SiloConfigurator>();
        builder.AddClientBuilderConfigurator<ClientConfigurator>();
        _cluster = builder.Build();
        await _cluster.DeployAsync();
    }

    public async Task DisposeAsync() => await Cluster.DisposeAsync();

    private sealed class SiloConfigurator : ISiloConfigurator
    {
        public void Configure(ISiloBuilder siloBuilder)
        {
            var configuration = siloBuilder.Configuration;
            ProbeEngine.Configure(siloBuilder.Services);
            siloBuilder.Services.AddSingleton(ProbeSignals.Of(configuration[SignalsKey]!));
            siloBuilder.Configure<SiloMessagingOptions>(o => o.ResponseTimeout = configuration.GetValue<TimeSpan>(TimeoutKey));
            siloBuilder.Configure<GrainCollectionOptions>(o =>
            {
                o.CollectionAge = configuration.GetValue<TimeSpan>(CollectionAgeKey);

                // Half an age, and never as rarely as the default: the suite waits for collection.
                o.CollectionQuantum = o.CollectionAge < TimeSpan.FromMinutes(1) ? o.CollectionAge / 2 : o.CollectionQuantum;
            });
        }
    }

    private sealed class ClientConfigurator : IClientBuilderConfigurator
    {
        public void Configure(IConfiguration configuration, IClientBuilder clientBuilder)
        {
            ProbeEngine.Configure(clientBuilder.Services);
            clientBuilder.Configure<ClientMessagingOptions>(o => o.ResponseTimeout = configuration.GetValue<TimeSpan>(TimeoutKey));
        }
    }
}
