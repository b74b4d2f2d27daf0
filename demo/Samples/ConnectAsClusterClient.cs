using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Orleans;
using Plane.Client;

namespace Plane.Samples;

/// <summary>An application that calls Plane's grains as a cluster client: typed, over one connection, with the same calls that the HTTP API makes.</summary>
internal static class ConnectAsClusterClient
{
    private static readonly TimeSpan s_startLimit = TimeSpan.FromMinutes(1);

    public static async Task<string> RunAsync(string gateway, string cluster, string key, string[] command)
    {
        var request = new ConnectRequest
        {
            Key = new KeyConfig { Name = key },
            User = "ada",
            RequestId = Guid.NewGuid().ToString(),
            SpawnConfig = new SpawnConfig { Executable = new Executable { Command = command }, MaxIdleSeconds = 60 },
        };
        if (ConnectRules.Validate(request) is { } error)
        {
            throw new SampleFailedException(error.Message);
        }

        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.AddPlaneClusterClient(new ClusterClientOptions { Endpoints = [gateway] });
        using var host = builder.Build();
        await StartAsync(host, gateway);
        var grains = host.Services.GetRequiredService<IGrainFactory>();
        var connect = ConnectCommand.For(request, ClusterName.Parse(cluster));
        ConnectResult result;
        try
        {
            result = await grains.GetGrain<IKeyGrain>(connect.Key.GrainKey).Connect(connect);
        }
        catch (Exception e) when (CallFailed.IsUnknownOutcome(e))
        {
            // It may have been carried out: the same command again finds what it did, or does it.
            result = await grains.GetGrain<IKeyGrain>(connect.Key.GrainKey).Connect(connect);
        }

        await host.StopAsync();
        return result.Holder is null
            ? throw new SampleFailedException($"{result.Refusal}: {result.Message}")
            : connect.AnsweredBy(result).UrlOf(result.Holder);
    }

    // The client would wait for a gateway forever.
    private static async Task StartAsync(IHost host, string gateway)
    {
        using var limit = new CancellationTokenSource(s_startLimit);
        try
        {
            await host.StartAsync(limit.Token);
        }
        catch (Exception) when (limit.IsCancellationRequested)
        {
            throw new SampleFailedException($"no controller's gateway answers at {gateway}");
        }
    }
}
