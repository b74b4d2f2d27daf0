using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Orleans;
using Orleans.Configuration;
using Orleans.Hosting;
using Orleans.Messaging;
using Orleans.Runtime;

namespace Plane.Tests.Engine.Embedded;

public sealed class ReconnectTests
{
    [Fact]
    public async Task A_client_starts_without_a_silo_and_its_calls_wait_for_one()
    {
        var port = FreePort();
        using var client = await GatewayHost.ClientAsync(port);
        var call = client.Services.GetRequiredService<IGrainFactory>().GetGrain<IProbe>("early").WhoAreYou();
        Assert.False(call.IsCompleted);
        await using var silo = await GatewayHost.StartAsync(port: port);
        Assert.Equal("early", await call);
        await client.StopAsync();
    }

    [Fact]
    public async Task A_call_without_a_silo_times_out_and_says_why()
    {
        using var client = await GatewayHost.ClientAsync(FreePort(), c => c.Configure<ClientMessagingOptions>(o => o.ResponseTimeout = TimeSpan.FromMilliseconds(700)));
        var e = await Assert.ThrowsAsync<TimeoutException>(() => client.Services.GetRequiredService<IGrainFactory>().GetGrain<IProbe>("k").WhoAreYou());
        Assert.Contains("no connection to a silo", e.Message, StringComparison.Ordinal);
        Assert.Contains("connection refused", e.Message, StringComparison.Ordinal);
        await client.StopAsync();
    }

    [Fact]
    public async Task A_call_under_way_fails_at_once_when_the_connection_breaks()
    {
        var silo = await GatewayHost.StartAsync();
        using var client = await silo.ClientAsync(c => c.Configure<ClientMessagingOptions>(o => o.ResponseTimeout = TimeSpan.FromMinutes(10)));
        var grain = client.Services.GetRequiredService<IGrainFactory>().GetGrain<IProbe>("k");
        var call = grain.IncrementInterleaved("never");
        await silo.Signals.HeardAsync("increment k");
        silo.Services.GetRequiredService<Orleans.Gateway.GatewayServer>().Abort();
        await Assert.ThrowsAsync<SiloUnavailableException>(() => call.WaitAsync(TimeSpan.FromSeconds(90)));
        silo.Signals.Open("never");
        await silo.DisposeAsync();
        await client.StopAsync();
    }

    [Fact]
    public async Task A_client_finds_the_gateway_that_is_there()
    {
        await using var silo = await GatewayHost.StartAsync();
        using var client = await GatewayHost.ClientAsync(
            FreePort(),
            c => c.Configure<StaticGatewayListProviderOptions>(o => o.Gateways.Add(new Uri($"gwy.tcp://localhost:{silo.EndPoint.Port}/0"))));
        Assert.Equal("k", await client.Services.GetRequiredService<IGrainFactory>().GetGrain<IProbe>("k").WhoAreYou());
        await client.StopAsync();
    }

    [Fact]
    public async Task The_gateways_are_asked_for_at_every_attempt()
    {
        await using var silo = await GatewayHost.StartAsync();
        var provider = new MovingGateways(FreePort());
        using var client = await GatewayHost.ClientAsync(0, c => c.Services.AddSingleton<IGatewayListProvider>(provider));
        await provider.AskedTwice.Task.WaitAsync(TimeSpan.FromSeconds(90));
        provider.Port = silo.EndPoint.Port;
        Assert.Equal("k", await client.Services.GetRequiredService<IGrainFactory>().GetGrain<IProbe>("k").WhoAreYou());
        await client.StopAsync();
    }

    [Fact]
    public async Task No_failure_makes_a_client_give_up()
    {
        await using var silo = await GatewayHost.StartAsync();
        using var client = await GatewayHost.ClientAsync(
            0, c => c.Services.AddSingleton<IGatewayListProvider>(new FaultyGateways(new Uri($"gwy.tcp://127.0.0.1:{silo.EndPoint.Port}/0"))));
        Assert.Equal("k", await client.Services.GetRequiredService<IGrainFactory>().GetGrain<IProbe>("k").WhoAreYou());
        await client.StopAsync();
    }

    [Fact]
    public async Task A_retry_filter_that_says_no_ends_the_client_with_the_reason()
    {
        using var client = await GatewayHost.ClientAsync(FreePort(), c => c.UseConnectionRetryFilter((_, _) => Task.FromResult(false)));
        var e = await Assert.ThrowsAsync<SiloUnavailableException>(() => client.Services.GetRequiredService<IGrainFactory>().GetGrain<IProbe>("k").WhoAreYou());
        Assert.Contains("gave up", e.Message, StringComparison.Ordinal);
        await client.StopAsync();
    }

    [Fact]
    public async Task Calls_of_a_client_that_has_stopped_fail_at_once()
    {
        await using var silo = await GatewayHost.StartAsync();
        using var client = await silo.ClientAsync();
        var grain = client.Services.GetRequiredService<IGrainFactory>().GetGrain<IProbe>("k");
        await grain.Peek();
        await client.StopAsync();
        await Assert.ThrowsAsync<SiloUnavailableException>(() => grain.Peek());
    }

    [Fact]
    public void A_client_and_a_silo_do_not_share_a_container()
    {
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.UseOrleans(_ => { });
        Assert.Throws<OrleansConfigurationException>(() => builder.UseOrleansClient(_ => { }));
    }

    [Fact]
    public void More_than_one_silo_is_refused()
    {
        var e = Assert.Throws<OrleansConfigurationException>(() => new Orleans.TestingHost.TestClusterBuilder());
        Assert.Contains("-p:Engine=Orleans", e.Message, StringComparison.Ordinal);
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    /// <summary>Cannot be asked at first, then knows a gateway that is none, then the real one.</summary>
    private sealed class FaultyGateways(Uri gateway) : IGatewayListProvider
    {
        private int _initialized;
        private int _asked;

        public TimeSpan MaxStaleness => TimeSpan.Zero;

        public bool IsUpdatable => true;

        public Task InitializeGatewayListProvider() => ++_initialized == 1 ? throw new NotSupportedException("not yet") : Task.CompletedTask;

        public Task<IList<Uri>> GetGateways() => Task.FromResult<IList<Uri>>([++_asked == 1 ? new Uri("file:///no-host") : gateway]);
    }

    private sealed class MovingGateways(int port) : IGatewayListProvider
    {
        private int _asked;

        public int Port { get; set; } = port;

        public TaskCompletionSource AskedTwice { get; } = new();

        public TimeSpan MaxStaleness => TimeSpan.Zero;

        public bool IsUpdatable => true;

        public Task InitializeGatewayListProvider() => Task.CompletedTask;

        public Task<IList<Uri>> GetGateways()
        {
            if (++_asked == 2)
            {
                AskedTwice.TrySetResult();
            }

            return Task.FromResult<IList<Uri>>([new Uri($"gwy.tcp://127.0.0.1:{Port}/0")]);
        }
    }
}
