using System.CommandLine;
using Plane.Hosting.Running;
using Plane.ProxyHost;

namespace Plane.Cli.Roles;

/// <summary><c>plane proxy</c>.</summary>
internal static class ProxyCommand
{
    public static Command Create() => RoleCommand.Create(
        "proxy",
        "Run a proxy: routes tokenised URLs to backends.",
        [typeof(ProxyOptions), typeof(GatewayFlags)],
        context => ProxyRole.Build(context.Given.Get<ProxyOptions>(), context.Join(TimeSpan.FromSeconds(10)), context.Configure),
        first: SocketCompletions.RunInline);
}
