using System.Net;
using System.Net.WebSockets;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans;
using Orleans.Configuration;
using Orleans.Gateway;
using Orleans.Hosting;

namespace Plane.Tests.Engine.Embedded;

/// <summary>A silo on a free port, and raw ends of its wire.</summary>
internal sealed class GatewayHost : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(90);

    private readonly IHost _host;

    private GatewayHost(IHost host) => _host = host;

    public ProbeSignals Signals => _host.Services.GetRequiredService<ProbeSignals>();

    public IServiceProvider Services => _host.Services;

    public IPEndPoint EndPoint => _host.Services.GetRequiredService<IGatewayAddress>().EndPoint!;

    public GatewayLog Log => _host.Services.GetRequiredService<GatewayLog>();

    public IGrainFactory Inside => _host.Services.GetRequiredService<IGrainFactory>();

    public static async Task<GatewayHost> StartAsync(Action<ISiloBuilder>? configure = null, int port = 0)
    {
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Services.AddSingleton(ProbeSignals.Of(Guid.NewGuid().ToString("N")));
        var log = new GatewayLog();
        builder.Services.AddSingleton(log);
        builder.Logging.AddProvider(log);
        builder.UseOrleans(silo =>
        {
            silo.Configure<EndpointOptions>(o => o.GatewayListeningEndpoint = new IPEndPoint(IPAddress.Loopback, port));
            configure?.Invoke(silo);
        });
        var host = builder.Build();
        try
        {
            await host.StartAsync();
        }
        catch
        {
            host.Dispose();
            throw;
        }

        return new GatewayHost(host);
    }

    /// <summary>A client host whose start does not wait for anything.</summary>
    public static async Task<IHost> ClientAsync(int port, Action<IClientBuilder>? configure = null)
    {
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.UseOrleansClient(client =>
        {
            client.UseStaticClustering(new IPEndPoint(IPAddress.Loopback, port));
            client.Configure<ClientMessagingOptions>(o => o.ResponseTimeout = TimeSpan.FromSeconds(10));
            client.Configure<EmbeddedEngineOptions>(o => o.MaxReconnectDelay = TimeSpan.FromMilliseconds(100));
            configure?.Invoke(client);
        });
        var host = builder.Build();
        await host.StartAsync();
        return host;
    }

    public Task<IHost> ClientAsync(Action<IClientBuilder>? configure = null) => ClientAsync(EndPoint.Port, configure);

    /// <summary>A raw WebSocket, before the handshake.</summary>
    public async Task<ClientWebSocket> ConnectAsync()
    {
        var socket = new ClientWebSocket();
        socket.Options.KeepAliveInterval = TimeSpan.Zero;
        await socket.ConnectAsync(new Uri($"ws://{EndPoint}{Wire.Path}"), default).WaitAsync(Patience);
        return socket;
    }

    /// <summary>A raw WebSocket after the handshake.</summary>
    public async Task<ClientWebSocket> JoinAsync()
    {
        var socket = await ConnectAsync();
        await Handshake.AsClientAsync(
            socket, new EmbeddedEngineOptions(), new ClusterOptions(), default).WaitAsync(Patience);
        return socket;
    }

    public static Task SendAsync(WebSocket socket, string text) =>
        socket.SendAsync(Encoding.UTF8.GetBytes(text), WebSocketMessageType.Text, true, default).WaitAsync(Patience);

    /// <summary>The next frame that is no ping; null: the socket closed.</summary>
    public static async Task<JsonElement[]?> ReceiveAsync(WebSocket socket)
    {
        var buffer = new byte[1 << 20];
        while (true)
        {
            var result = await socket.ReceiveAsync(buffer, default).WaitAsync(Patience);
            if (result.MessageType == WebSocketMessageType.Close)
            {
                return null;
            }

            foreach (var line in Encoding.UTF8.GetString(buffer, 0, result.Count).Split('\n'))
            {
                var frame = JsonSerializer.Deserialize<JsonElement[]>(line)!;
                if (frame[0].GetString() != "p")
                {
                    return frame;
                }
            }
        }
    }

    /// <summary>Waits for the gateway to close, and returns the reason it gave.</summary>
    public static async Task<string> ClosedAsync(WebSocket socket)
    {
        while (await ReceiveAsync(socket) is { } frame)
        {
            Assert.NotEqual("r", frame[0].GetString());
        }

        return socket.CloseStatusDescription ?? "";
    }

    public async ValueTask DisposeAsync()
    {
        await _host.StopAsync();
        await ((IAsyncDisposable)_host).DisposeAsync();
    }
}

/// <summary>Keeps what the engine logs, so that tests can wait for it.</summary>
internal sealed class GatewayLog : ILoggerProvider, ILogger
{
    private readonly ProbeSignals _said = ProbeSignals.Of(Guid.NewGuid().ToString("N"));

    public ILogger CreateLogger(string categoryName) => this;

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
        _said.Say($"{eventId.Id}");

    public Task LoggedAsync(int eventId, int times = 1) => _said.HeardAsync($"{eventId}", times);

    public void Dispose()
    {
    }
}
