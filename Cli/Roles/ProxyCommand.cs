using System.CommandLine;
using Plane.Hosting;
using Plane.Proxy;

namespace Plane.Cli.Roles;

/// <summary><c>plane proxy</c>.</summary>
internal static class ProxyCommand
{
    public static Command Create()
    {
        var gateway = new OptionsBinder<GatewayFlags>();
        var command = RoleCommand.Create(
            "proxy",
            "Run a proxy: routes tokenised URLs to backends.",
            new OptionsBinder<ProxyOptions>().Require(nameof(ProxyOptions.Cluster)),
            (options, context) => [ProxyRole.Build(options, context.Join(gateway, TimeSpan.FromSeconds(10)), context.Configure)],
            first: static _ => SocketCompletions.RunInline());
        gateway.AddTo(command);
        return command;
    }
}
