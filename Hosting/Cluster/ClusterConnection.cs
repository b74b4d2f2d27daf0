using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans;
using Orleans.Runtime;
using Plane.Client;

namespace Plane.Hosting.Cluster;

/// <summary>
/// The way from a role to the cluster's grains. It exists before the cluster answers: a call until then fails as a call to an unavailable controller does. Thread-safe.
/// </summary>
public sealed class ClusterConnection
{
    // A role begins to call as soon as it runs. What connecting takes on a busy machine is not an outage.
    private static readonly TimeSpan s_start = TimeSpan.FromSeconds(10);

    private readonly string _cluster;
    private readonly Task _start = Task.CompletedTask;
    private readonly TaskCompletionSource _connected = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile IClusterClient? _client;

    /// <summary>A connection that is not there yet.</summary>
    /// <param name="cluster">The cluster's id, for messages.</param>
    /// <param name="time">For how long the first calls wait for it.</param>
    internal ClusterConnection(string cluster, TimeProvider time)
    {
        _cluster = cluster;
        _start = Task.WhenAny(_connected.Task, Task.Delay(s_start, time));
    }

    /// <summary>The connection of a silo's own client.</summary>
    /// <param name="client">The client.</param>
    public ClusterConnection(IClusterClient client)
    {
        _cluster = "";
        _client = client;
        IsOfOwnSilo = true;
    }

    /// <summary>Whether the silo is in this process: there is no other gateway.</summary>
    public bool IsOfOwnSilo { get; }

    /// <summary>A reference to a grain.</summary>
    /// <typeparam name="T">The grain's interface.</typeparam>
    /// <param name="key">The grain's key.</param>
    /// <exception cref="SiloUnavailableException">No gateway has answered yet; retry.</exception>
    public T GetGrain<T>(string key)
        where T : IGrainWithStringKey =>
        (_client ?? throw new SiloUnavailableException($"no gateway of the cluster '{_cluster}' has answered yet; retry")).GetGrain<T>(key);

    /// <summary>The gateway of the calls to a stateless grain that has several keys. In the first seconds calls wait for the connection.</summary>
    /// <typeparam name="T">The grain's interface.</typeparam>
    /// <param name="key">The grain's key of this number.</param>
    /// <param name="time">Measures the silence.</param>
    /// <param name="logger">Where a change is logged.</param>
    public GatewayChoice<T> Choose<T>(Func<int, string> key, TimeProvider time, ILogger logger)
        where T : IGrainWithStringKey, IReachable =>
        new(way => GetGrain<T>(key(way)), time, logger, IsOfOwnSilo, _start);

    /// <summary>Makes an object of this process callable by controllers: its address, or null while no gateway has answered. The caller keeps the object; the client does not.</summary>
    /// <typeparam name="T">The object's interface.</typeparam>
    /// <param name="target">The object. Each call makes one more address of it.</param>
    public string? AddressOf<T>(T target)
        where T : IGrainObserver =>
        _client?.CreateObjectReference<T>(target)?.GetGrainId().ToString();

    /// <summary>Calls go to this client from now on.</summary>
    internal void Use(IClusterClient? client)
    {
        _client = client;
        _connected.TrySetResult();
    }
}

/// <summary>
/// Connects a <see cref="ClusterConnection"/> beside its host. Orleans' client makes the start of the host that it belongs to wait for the first gateway, so here it has a host of its own.
/// </summary>
internal sealed class ClusterConnector(ClusterClientOptions options, ClusterConnection connection, TimeProvider time, ILoggerFactory loggers) : BackgroundService
{
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var builder = PlaneHost.CreateBuilder("client");
        builder.Services.Replace(ServiceDescriptor.Singleton(loggers));
        builder.AddPlaneClusterClient(options);
        using var host = builder.Build();
        try
        {
            await host.StartAsync(stoppingToken);
            connection.Use(host.Services.GetRequiredService<IClusterClient>());
            await Task.Delay(Timeout.InfiniteTimeSpan, time, stoppingToken);
        }
        catch (Exception) when (stoppingToken.IsCancellationRequested)
        {
            // The host stops. A start that was cut short fails in ways of its own, and no caller waits for it.
        }

        connection.Use(null);
        await host.StopAsync(CancellationToken.None);
    }
}
