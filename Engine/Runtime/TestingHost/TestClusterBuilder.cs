using System.Globalization;
using Microsoft.Extensions.Configuration;
using Orleans.Runtime;

namespace Orleans.TestingHost;

/// <summary>The shape of a test cluster.</summary>
public class TestClusterOptions
{
    /// <summary>The name of the cluster.</summary>
    public string ClusterId { get; set; } = "";

    /// <summary>The name of the service.</summary>
    public string ServiceId { get; set; } = "";

    /// <summary>How many silos; the embedded engine runs one.</summary>
    public short InitialSilosCount { get; set; }

    /// <summary>Whether <see cref="TestCluster.DeployAsync"/> starts the client too.</summary>
    public bool InitializeClientOnDeploy { get; set; } = true;

    /// <summary>The names of the types that configure silos.</summary>
    public List<string?> SiloBuilderConfiguratorTypes { get; } = [];

    /// <summary>The names of the types that configure the client.</summary>
    public List<string?> ClientBuilderConfiguratorTypes { get; } = [];
}

/// <summary>Makes a test cluster.</summary>
public class TestClusterBuilder
{
    private readonly List<Action<IConfigurationBuilder>> _configureHost = [];

    /// <summary>A cluster of two silos, as the real engine's default is; the embedded engine throws.</summary>
    public TestClusterBuilder()
        : this(2)
    {
    }

    /// <summary>A cluster of so many silos.</summary>
    /// <param name="initialSilosCount">One, for the embedded engine.</param>
    public TestClusterBuilder(short initialSilosCount)
    {
        if (initialSilosCount != 1)
        {
            throw new OrleansConfigurationException("the embedded engine runs one silo; build with -p:Engine=Orleans for more");
        }

        Options = new TestClusterOptions
        {
            InitialSilosCount = initialSilosCount,
            ClusterId = CreateClusterId(),
            ServiceId = Guid.NewGuid().ToString("N"),
        };
    }

    /// <summary>The shape of the cluster.</summary>
    public TestClusterOptions Options { get; }

    /// <summary>Values for the configuration of silos and client: the way to the configurators, which are made by name.</summary>
    public Dictionary<string, string?> Properties { get; } = [];

    /// <summary>A name that no other test uses.</summary>
    public static string CreateClusterId() => "testcluster-" + Guid.NewGuid().ToString("N", CultureInfo.InvariantCulture);

    /// <summary>Adds to the configuration of every host.</summary>
    /// <param name="configureDelegate">Adds.</param>
    public TestClusterBuilder ConfigureHostConfiguration(Action<IConfigurationBuilder> configureDelegate)
    {
        ArgumentNullException.ThrowIfNull(configureDelegate);
        _configureHost.Add(configureDelegate);
        return this;
    }

    /// <summary>Configures the silos.</summary>
    /// <typeparam name="T">An <see cref="ISiloConfigurator"/> or <see cref="IHostConfigurator"/>.</typeparam>
    public TestClusterBuilder AddSiloBuilderConfigurator<T>()
        where T : new()
    {
        Options.SiloBuilderConfiguratorTypes.Add(NameOf<T>(typeof(ISiloConfigurator)));
        return this;
    }

    /// <summary>Configures the client.</summary>
    /// <typeparam name="T">An <see cref="IClientBuilderConfigurator"/> or <see cref="IHostConfigurator"/>.</typeparam>
    public TestClusterBuilder AddClientBuilderConfigurator<T>()
        where T : new()
    {
        Options.ClientBuilderConfiguratorTypes.Add(NameOf<T>(typeof(IClientBuilderConfigurator)));
        return this;
    }

    /// <summary>The cluster, not deployed yet.</summary>
    public TestCluster Build()
    {
        var builder = new ConfigurationBuilder().AddInMemoryCollection(Properties);
        foreach (var configure in _configureHost)
        {
            configure(builder);
        }

        return new TestCluster(Options, [.. builder.Sources]);
    }

    private static string NameOf<T>(Type wanted) => wanted.IsAssignableFrom(typeof(T)) || typeof(IHostConfigurator).IsAssignableFrom(typeof(T))
        ? typeof(T).AssemblyQualifiedName!
        : throw new ArgumentException($"{typeof(T)} is neither an {wanted.Name} nor an {nameof(IHostConfigurator)}");
}
