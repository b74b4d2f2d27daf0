using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Plane.Client;
using Plane.Hosting.Configuration;

namespace Plane.Hosting;

/// <summary>Listens by an address and a port of the options, and says afterwards which port it became.</summary>
public static class WebListener
{
    /// <summary>What is wrong with a listening address, or <see langword="null"/>: host names would need a resolver before anything runs.</summary>
    /// <param name="host">An IP address, <c>localhost</c>, or <c>*</c> for all.</param>
    public static string? HostProblem(string? host) => TryAddress(host, out _) ? null : "must be an IP address, localhost or *";

    /// <summary>Whether only this machine can reach the address.</summary>
    /// <param name="host">A valid listening address.</param>
    public static bool IsLoopback(string host) => TryAddress(host, out var address) && IPAddress.IsLoopback(address);

    /// <summary>The address itself.</summary>
    /// <param name="host">A valid listening address.</param>
    /// <exception cref="UsageException">It is not valid.</exception>
    public static IPAddress Address(string host) =>
        TryAddress(host, out var address) ? address : throw new UsageException($"--host {HostProblem(host)}");

    /// <summary>Listens.</summary>
    /// <param name="builder">The web role's builder.</param>
    /// <param name="host">A valid listening address.</param>
    /// <param name="port">The port; 0 for any.</param>
    /// <param name="configure">Sets up the listener, as with TLS.</param>
    public static WebApplicationBuilder UsePlaneListener(
        this WebApplicationBuilder builder, string host, int port, Action<ListenOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        var address = Address(host);
        builder.Services.TryAddEnumerable(ServiceDescriptor.Singleton<IConnectionListenerFactory, NamedListenerFactory>());

        // A caller that vanished without a word would otherwise hold its connection, and what it follows, for ever.
        builder.Services.Configure<SocketTransportOptions>(transport => transport.CreateBoundListenSocket = endpoint =>
        {
            var socket = SocketTransportOptions.CreateDefaultBoundListenSocket(endpoint);
            TcpKeepAlive.Set(socket);
            return socket;
        });
        builder.WebHost.ConfigureKestrel(o =>
        {
            o.AddServerHeader = false;
            o.Listen(address, port, listen =>
            {
                listen.Protocols = HttpProtocols.Http1;
                configure?.Invoke(listen);
            });
        });
        return builder;
    }

    /// <summary>The first address that the started host listens on.</summary>
    /// <param name="host">A started web host.</param>
    public static Uri BoundAddress(this IHost host)
    {
        ArgumentNullException.ThrowIfNull(host);
        var addresses = host.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()?.Addresses;
        return new Uri(addresses?.FirstOrDefault() ?? throw new InvalidOperationException("the host has not started"));
    }

    private static bool TryAddress(string? host, out IPAddress address)
    {
        address = host switch
        {
            "localhost" => IPAddress.Loopback,
            "*" => IPAddress.Any,
            _ => IPAddress.TryParse(host, out var parsed) ? parsed : IPAddress.None,
        };
        return !address.Equals(IPAddress.None);
    }
}
