using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.HttpOverrides;
using Plane.Hosting.Configuration;
using IPNetwork = System.Net.IPNetwork;

namespace Plane.Hosting;

/// <summary>Load balancers in front of a role's web server: what they say of scheme, host and address of a request is taken, from networks that the operator trusts and from no other.</summary>
public static class TrustedProxies
{
    /// <summary>What a network must be.</summary>
    public const string Rule = "must be networks or addresses, as 10.0.0.0/8 or 192.0.2.1, without bits set beyond the prefix";

    /// <summary>Reads a network, or an address as the network of that one.</summary>
    /// <param name="text">The text.</param>
    /// <param name="network">The network.</param>
    public static bool TryParse(string text, out IPNetwork network)
    {
        if (IPAddress.TryParse(text, out var address))
        {
            network = new IPNetwork(address, address.GetAddressBytes().Length * 8);
            return true;
        }

        return IPNetwork.TryParse(text, out network);
    }

    /// <summary>
    /// Takes scheme, host and address from <c>X-Forwarded-Proto</c>, <c>-Host</c> and <c>-For</c>, of the last one that is not trusted where several balancers follow each other. What was there before is in
    /// <c>X-Original-Proto</c>, <c>-Host</c> and <c>-For</c>.
    /// </summary>
    /// <param name="app">The role's pipeline.</param>
    /// <param name="networks">The networks; where there are none, nothing is taken from anyone.</param>
    /// <param name="keepsOriginal">Whether the <c>X-Original-…</c> headers stay; a proxy would pass them on.</param>
    public static IApplicationBuilder UseTrustedProxies(this IApplicationBuilder app, IReadOnlyCollection<string> networks, bool keepsOriginal = true)
    {
        ArgumentNullException.ThrowIfNull(networks);
        if (networks.Count == 0)
        {
            return app;
        }

        var options = new ForwardedHeadersOptions
        {
            ForwardedHeaders = ForwardedHeaders.XForwardedFor | ForwardedHeaders.XForwardedProto | ForwardedHeaders.XForwardedHost,
            ForwardLimit = null,
        };

        // By default loopback is trusted.
        options.KnownProxies.Clear();
        options.KnownIPNetworks.Clear();
        foreach (var text in networks)
        {
            options.KnownIPNetworks.Add(TryParse(text, out var network) ? network : throw new UsageException($"--trusted-proxies {Rule}"));
        }

        app.UseForwardedHeaders(options);
        return keepsOriginal ? app : app.Use((context, next) =>
        {
            context.Request.Headers.Remove(options.OriginalForHeaderName);
            context.Request.Headers.Remove(options.OriginalHostHeaderName);
            context.Request.Headers.Remove(options.OriginalProtoHeaderName);
            return next(context);
        });
    }
}
