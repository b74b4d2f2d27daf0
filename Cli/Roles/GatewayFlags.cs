using System.ComponentModel;
using Microsoft.Extensions.Hosting;
using Plane.Client;
using Plane.Hosting.Cluster;

namespace Plane.Cli.Roles;

/// <summary>How a drone, proxy or DNS server finds the controllers, on the command line.</summary>
public sealed class GatewayFlags : ClusterFlags
{
    /// <summary>The controllers' gateways.</summary>
    [Description("the controllers' gateways, HOST:PORT; repeated or separated by commas")]
    public string[] Gateway { get; set; } = ["127.0.0.1:30000"];

    /// <summary>Adds the connection to the cluster.</summary>
    /// <param name="longestDelay">The longest wait between two attempts to connect.</param>
    public Action<IHostApplicationBuilder> Join(TimeSpan longestDelay) => builder => builder.AddPlaneClusterConnection(new ClusterClientOptions
    {
        Endpoints = Gateway,
        ClusterId = ClusterId,
        ServiceId = ServiceId,
        MaxReconnectDelay = longestDelay,
        Trust = ToTrust(),
    });
}
