using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Orleans;
using Plane.DnsHost;
using Plane.DroneHost;
using Plane.Hosting.Cluster;
using Plane.Hosting.Metrics;
using Plane.Hosting.Ready;
using Plane.ProxyHost;
using Plane.Testing;

namespace Plane.Tests.Silo;

/// <summary>Every role can be measured.</summary>
public sealed class MetricsTests(ControllerFixture fixture) : IClassFixture<ControllerFixture>
{
    [Theory]
    [InlineData("proxy")]
    [InlineData("dns")]
    [InlineData("drone")]
    public async Task A_role_serves_its_metrics_on_a_port_of_its_own(string role)
    {
        using var directory = new TempDirectory();
        using var host = role switch
        {
            "proxy" => ProxyRole.Build(new ProxyOptions { Cluster = Controller.Cluster, Host = "127.0.0.1", Port = 0, MetricsPort = 0 }, Join),
            "dns" => DnsRole.Build(new DnsOptions { Zone = "plane.test", Host = ["127.0.0.1"], Port = 0, MetricsPort = 0 }, Join),
            _ => DroneRole.Build(
                new DroneOptions { Cluster = Controller.Cluster, StateFile = directory["drone.db"], Runtime = "process", MetricsPort = 0 }, Join),
        };
        await host.StartAsync();
        using var http = new HttpClient();
        var address = host.Services.GetRequiredService<MetricsServer>().Address!;
        Assert.True(address.IsLoopback);
        var text = await http.GetStringAsync(new Uri(address, "/metrics"));
        Assert.Contains($"service_name=\"plane-{role}\"", text, StringComparison.Ordinal);
        await host.StopAsync();
    }

    private void Join(IHostApplicationBuilder builder)
    {
        builder.Services.AddSingleton(new ClusterConnection(fixture.Controller.Services.GetRequiredService<IClusterClient>()));
        builder.Services.Replace(ServiceDescriptor.Singleton<IReadyLine>(new ReadyLine(TextWriter.Null)));
    }
}
