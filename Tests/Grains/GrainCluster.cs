using System.Collections.Concurrent;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans;
using Orleans.Configuration;
using Orleans.Hosting;
using Orleans.TestingHost;
using Plane.Grains;
using Plane.Silo.Cluster;
using Plane.Storage;
using Plane.Testing;

namespace Plane.Tests.Grains;

/// <summary>The store under a test's grains.</summary>
public enum On
{
    Sqlite,
    Postgres,
}

/// <summary>A silo with all grains over a real store of its own, and a client.</summary>
public sealed class GrainCluster : IAsyncDisposable
{
    private readonly string _id = Guid.NewGuid().ToString("N");
    private int _clusters;
    private TempDirectory? _directory;
    private TestDatabase? _database;
    private InProcessTestCluster? _cluster;
    private IHost? _silo;
    private IHost? _client;
    private int _gateway;

    private GrainCluster(LeaseOptions numbers) => Numbers = numbers;

    public LeaseOptions Numbers { get; }

    /// <summary>What the grains see.</summary>
    public IPlaneStore Store { get; private set; } = null!;

    public FaultyStore Faults { get; private set; } = null!;

    public IGrainFactory Client => _cluster?.Client ?? _client!.Services.GetRequiredService<IGrainFactory>();

    public IServiceProvider SiloServices => _cluster?.Silos[0].ServiceProvider ?? _silo!.Services;

    /// <summary>Leases of seconds; heartbeats stay fresh for a minute, so that a busy machine makes no drone silent.</summary>
    public static LeaseOptions ShortLeases { get; } = LeaseOptions.Scaled(0.025) with { HeartbeatFresh = TimeSpan.FromMinutes(1) };

    /// <param name="on">The store.</param>
    /// <param name="numbers">The lease numbers, where not the defaults.</param>
    /// <param name="before">Gives the store a past before the silo starts.</param>
    public static async Task<GrainCluster> StartAsync(On on, LeaseOptions? numbers = null, Func<IPlaneStore, Task>? before = null)
    {
        var cluster = new GrainCluster(numbers ?? new LeaseOptions());
        await cluster.StartCoreAsync(await cluster.UrlAsync(on), before);
        return cluster;
    }

    /// <summary>A silo with a gateway on loopback, to which other clients can connect.</summary>
    /// <param name="on">The store.</param>
    public static async Task<GrainCluster> StartGatewayAsync(On on)
    {
        var cluster = new GrainCluster(new LeaseOptions());
        await cluster.OpenStoreAsync(await cluster.UrlAsync(on));
        cluster._gateway = FreePort.Next();
        var builder = Host.CreateApplicationBuilder();
        builder.Logging.ClearProviders();
        builder.UseOrleans(silo =>
        {
            silo.UseLocalhostClustering(FreePort.Next(), cluster._gateway, null, cluster._id, cluster._id);
            silo.LimitMessages();
        });
        cluster.AddGrains(builder.Services);
        cluster._silo = builder.Build();
        await cluster._silo.StartAsync();
        cluster._client = await cluster.ConnectClientAsync();
        return cluster;
    }

    /// <summary>Another client of the gateway, with a connection of its own.</summary>
    /// <param name="responseTimeout">How long it waits for an answer.</param>
    public async Task<IHost> ConnectClientAsync(TimeSpan? responseTimeout = null)
    {
        var builder = Host.CreateApplicationBuilder();
        builder.Logging.ClearProviders();
        builder.UseOrleansClient(client =>
        {
            client.UseLocalhostClustering(_gateway, _id, _id);
            client.Configure<ClientMessagingOptions>(o => o.ResponseTimeout = responseTimeout ?? o.ResponseTimeout);
        });
        var host = builder.Build();
        await host.StartAsync();
        return host;
    }

    /// <summary>A second cluster over the same PostgreSQL database. Neither knows of the other: each has an activation of its own of every grain.</summary>
    public async Task<GrainCluster> StartBesideAsync()
    {
        var cluster = new GrainCluster(Numbers);
        await cluster.StartCoreAsync(_database!.Url, before: null);
        return cluster;
    }

    /// <summary>The PostgreSQL database, for what a test does behind the store's back.</summary>
    public string PostgresConnectionString => _database!.ConnectionString;

    public ClusterName NewCluster() => ClusterName.Parse($"c{Interlocked.Increment(ref _clusters)}-{_id}.test");

    public IKeyGrain Key(KeyConfig key) => Client.GetGrain<IKeyGrain>(key.GrainKey);

    public Task<ConnectResult> ConnectAsync(ConnectCommand command) => Key(command.Key).Connect(command);

    public IBackendGrain Backend(BackendIdentity identity) => Client.GetGrain<IBackendGrain>(identity.Backend.Value);

    public IRouteGrain Route(BearerToken token) => Client.GetGrain<IRouteGrain>(GrainKeys.Route(token.Value[^1]));

    public ICertificateGrain Certificates(ClusterName cluster) => Client.GetGrain<ICertificateGrain>(GrainKeys.Certificate(cluster));

    public IProxyGrain Proxy(ProxyName proxy) => Client.GetGrain<IProxyGrain>(proxy.Value);

    public async ValueTask DisposeAsync()
    {
        Faults?.Back();
        foreach (var host in new[] { _client, _silo }.OfType<IHost>())
        {
            await host.StopAsync();
            host.Dispose();
        }

        if (_cluster is not null)
        {
            await _cluster.DisposeAsync();
        }

        if (Store is not null)
        {
            await Store.DisposeAsync();
        }

        if (_database is not null)
        {
            await _database.DisposeAsync();
        }

        _directory?.Dispose();
    }

    private async Task StartCoreAsync(string url, Func<IPlaneStore, Task>? before)
    {
        await OpenStoreAsync(url);
        if (before is not null)
        {
            await before(Store);
        }

        var builder = new InProcessTestClusterBuilder(1);
        builder.ConfigureSilo((_, silo) => AddGrains(silo.Services));
        _cluster = builder.Build();
        await _cluster.DeployAsync();
    }

    private async Task OpenStoreAsync(string url)
    {
        (Store, Faults) = FaultyStore.Over(StoreFactory.Create(url, Numbers));
        await Store.InitializeAsync(CancellationToken.None);
    }

    private void AddGrains(IServiceCollection services)
    {
        services.AddSingleton(Store);
        services.AddStoreInterfaces();
        services.AddPlaneGrains(new GrainOptions { LeaseNumbers = Numbers, Version = "1.2.3", Hash = "abc" });
    }

    private async Task<string> UrlAsync(On on)
    {
        if (on == On.Sqlite)
        {
            _directory = new TempDirectory();
            return $"sqlite:{_directory["plane.db"]}";
        }

        _database = await (await PostgresServer.SharedAsync()).CreateDatabaseAsync();
        return _database.Url;
    }
}

/// <summary>A class's clusters, one a store, made when first asked for. Tests on one keep apart by their cluster names and keys.</summary>
public sealed class GrainClusters : IAsyncLifetime
{
    private readonly ConcurrentDictionary<On, Lazy<Task<GrainCluster>>> _clusters = new();

    public Task<GrainCluster> OfAsync(On on) => _clusters.GetOrAdd(on, static o => new(() => GrainCluster.StartAsync(o))).Value;

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        foreach (var cluster in _clusters.Values)
        {
            await (await cluster.Value).DisposeAsync();
        }
    }
}
