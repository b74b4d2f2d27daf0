using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Hosting;
using Orleans.Hosting;

namespace Orleans.TestingHost;

/// <summary>Configures each silo of a test cluster. Made by name with <c>new()</c>; values come by <see cref="TestClusterBuilder.Properties"/>.</summary>
public interface ISiloConfigurator
{
    /// <summary>Configures a silo.</summary>
    /// <param name="siloBuilder">Its builder; its configuration holds the properties.</param>
    void Configure(ISiloBuilder siloBuilder);
}

/// <summary>Configures the host of each silo or client of a test cluster.</summary>
public interface IHostConfigurator
{
    /// <summary>Configures a host.</summary>
    /// <param name="hostBuilder">Its builder.</param>
    void Configure(IHostBuilder hostBuilder);
}

/// <summary>Configures the client of a test cluster.</summary>
public interface IClientBuilderConfigurator
{
    /// <summary>Configures the client.</summary>
    /// <param name="configuration">Holds the properties.</param>
    /// <param name="clientBuilder">The client's builder.</param>
    void Configure(IConfiguration configuration, IClientBuilder clientBuilder);
}
