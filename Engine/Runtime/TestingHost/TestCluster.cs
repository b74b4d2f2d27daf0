using System.Collections.ObjectModel;
using System.Net;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Orleans.Configuration;
using Orleans.Gateway;
using Orleans.Hosting;
using Orleans.Runtime;

namespace Orleans.TestingHost;

/// <summary>
/// A silo and a client in the test's process. The client talks over the silo's real gateway, and calls inside the silo are serialised too, so that a message that
/// can't travel fails in every test that sends it.
/// </summary>
public sealed class TestCluster : IDisposable, IAsyncDisposable
{
    private readonly List<SiloHandle> _silos = [];
    private IHost? _client;
    private IPEndPoint _gateway = new(IPAddress.Loopback, 0);
    private int _generation;

    internal TestCluster(TestClusterOptions options, IReadOnlyList<IConfigurationSource> configurationSources)
    {
        Options = options;
        ConfigurationSources = configurationSources;
    }

    /// <summary>The shape of the cluster.</summary>
    public TestClusterOptions Options { get; }

    /// <summary>What the configuration of every host is made of.</summary>
    public IReadOnlyList<IConfigurationSource> ConfigurationSources { get; }

    /// <summary>The client.</summary>
    public IClusterClient Client => ServiceProvider.GetRequiredService<IClusterClient>();

    /// <summary>The client, as the maker of references.</summary>
    public IGrainFactory GrainFactory => Client;

    /// <summary>The services of the client's host.</summary>
    public IServiceProvider ServiceProvider => _client?.Services ?? throw new InvalidOperationException("the cluster is not deployed");

    /// <summary>The first silo.</summary>
    public SiloHandle? Primary => _silos.FirstOrDefault();

    /// <summary>The silos that run.</summary>
    public ReadOnlyCollection<SiloHandle> Silos => _silos.Where(s => s.IsActive).ToList().AsReadOnly();

    /// <summary>None, with the embedded engine.</summary>
    public IReadOnlyList<SiloHandle> SecondarySilos => [];

    /// <summary>Starts the silo and the client.</summary>
    public void Deploy() => DeployAsync().GetAwaiter().GetResult();

    /// <summary>Starts the silo and the client, and waits until they are connected.</summary>
    public async Task DeployAsync()
    {
        if (_silos.Count > 0)
        {
            throw new InvalidOperationException("the cluster is deployed already");
        }

        _silos.Add(await StartAsync());
        if (Options.InitializeClientOnDeploy)
        {
            await InitializeClientAsync();
        }
    }

    /// <summary>Starts the client, and waits until it is connected.</summary>
    public async Task InitializeClientAsync()
    {
        var host = new HostBuilder();
        Configure(host);
        host.ConfigureServices(services => services.Configure<EmbeddedEngineOptions>(o => o.MaxReconnectDelay = TimeSpan.FromMilliseconds(250)));
        host.UseOrleansClient((_, client) =>
        {
            client.Configure<ClusterOptions>(SetNames);
            client.UseStaticClustering(_gateway);
        });
        foreach (var configurator in Configurators(Options.ClientBuilderConfiguratorTypes))
        {
            (configurator as IHostConfigurator)?.Configure(host);
            if (configurator is IClientBuilderConfigurator builds)
            {
                host.UseOrleansClient((context, client) => builds.Configure(context.Configuration, client));
            }
        }

        _client = host.Build();
        await _client.StartAsync();
        await _client.Services.GetRequiredService<GatewayClient>().Connected.WaitAsync(TimeSpan.FromSeconds(30));
    }

    /// <summary>Stops a silo; its grains are deactivated.</summary>
    /// <param name="instance">The silo.</param>
    public async Task StopSiloAsync(SiloHandle instance)
    {
        ArgumentNullException.ThrowIfNull(instance);
        await instance.StopSiloAsync(stopGracefully: true);
    }

    /// <summary>Stops a silo as a crash would.</summary>
    /// <param name="instance">The silo.</param>
    public async Task KillSiloAsync(SiloHandle instance)
    {
        ArgumentNullException.ThrowIfNull(instance);
        await instance.StopSiloAsync(stopGracefully: false);
    }

    /// <summary>Stops a silo and starts it again on the same gateway.</summary>
    /// <param name="instance">The silo.</param>
    public async Task<SiloHandle?> RestartSiloAsync(SiloHandle instance)
    {
        ArgumentNullException.ThrowIfNull(instance);
        if (!_silos.Remove(instance))
        {
            return null;
        }

        await instance.DisposeAsync();
        var next = await StartAsync();
        _silos.Add(next);
        return next;
    }

    /// <summary>Throws: the embedded engine runs one silo.</summary>
    /// <param name="startAdditionalSiloOnNewPort">Not used.</param>
    public async Task<SiloHandle> StartAdditionalSiloAsync(bool startAdditionalSiloOnNewPort = false)
    {
        if (Silos.Count > 0)
        {
            throw new OrleansConfigurationException("the embedded engine runs one silo; build with -p:Engine=Orleans for more");
        }

        var silo = await StartAsync();
        _silos.Clear();
        _silos.Add(silo);
        return silo;
    }

    /// <summary>Stops the silo.</summary>
    public void StopAllSilos() => StopAllSilosAsync().GetAwaiter().GetResult();

    /// <summary>Stops the client, then the silo.</summary>
    public async Task StopAllSilosAsync()
    {
        await StopClusterClientAsync();
        foreach (var silo in _silos)
        {
            await silo.StopSiloAsync(stopGracefully: true);
        }
    }

    /// <summary>Stops the client.</summary>
    public Task StopClusterClientAsync() => _client?.StopAsync() ?? Task.CompletedTask;

    /// <summary>Stops the client as a crash would.</summary>
    public Task KillClientAsync() => _client?.StopAsync(new CancellationToken(canceled: true)) ?? Task.CompletedTask;

    /// <summary>The services of the silo's host.</summary>
    /// <param name="silo">Which silo; null: the first that runs.</param>
    public IServiceProvider GetSiloServiceProvider(SiloAddress? silo = null) =>
        ((InProcessSiloHandle)Silos.First(s => silo is null || s.SiloAddress.Equals(silo))).ServiceProvider;

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await StopAllSilosAsync();
        foreach (var silo in _silos)
        {
            await silo.DisposeAsync();
        }

        if (_client is IAsyncDisposable client)
        {
            await client.DisposeAsync();
        }
    }

    /// <inheritdoc/>
    public void Dispose() => DisposeAsync().AsTask().GetAwaiter().GetResult();

    private static IEnumerable<object> Configurators(IEnumerable<string?> names) =>
        names.Select(name => Activator.CreateInstance(Type.GetType(name!, throwOnError: true)!)!);

    private async Task<SiloHandle> StartAsync()
    {
        var host = new HostBuilder();
        Configure(host);
        host.ConfigureServices(services => services.Configure<EmbeddedEngineOptions>(o => o.SerializeInProcessCalls = true));
        host.UseOrleans((_, silo) =>
        {
            silo.Configure<ClusterOptions>(SetNames);
            silo.Configure<EndpointOptions>(o =>
            {
                o.AdvertisedIPAddress = IPAddress.Loopback;
                o.GatewayListeningEndpoint = _gateway;
            });
        });
        foreach (var configurator in Configurators(Options.SiloBuilderConfiguratorTypes))
        {
            (configurator as IHostConfigurator)?.Configure(host);
            if (configurator is ISiloConfigurator builds)
            {
                host.UseOrleans((_, silo) => builds.Configure(silo));
            }
        }

        var built = host.Build();
        try
        {
            await built.StartAsync();
        }
        catch
        {
            await ((IAsyncDisposable)built).DisposeAsync();
            throw;
        }

        // The first silo took any free port; a successor takes the same, where the client looks for it.
        _gateway = built.Services.GetRequiredService<SiloService>().Gateway!;
        var address = SiloAddress.New(_gateway, ++_generation);
        return new InProcessSiloHandle { SiloHost = built, Name = "Primary", SiloAddress = address, GatewayAddress = address };
    }

    private void Configure(HostBuilder host) => host.ConfigureHostConfiguration(builder =>
    {
        foreach (var source in ConfigurationSources)
        {
            builder.Add(source);
        }
    });

    private void SetNames(ClusterOptions options) => (options.ClusterId, options.ServiceId) = (Options.ClusterId, Options.ServiceId);
}
