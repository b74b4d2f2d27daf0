using System.CommandLine;
using Plane.Cli.Operator;
using Plane.DnsHost;

namespace Plane.Cli.Roles;

/// <summary><c>plane dns</c>, and below it what operators do with the DNS of a cluster.</summary>
internal static class DnsCommand
{
    public static Command Create(OperatorContext operators)
    {
        var command = RoleCommand.Create(
            "dns",
            "Run a DNS server that answers ACME DNS-01 challenges.",
            [typeof(DnsOptions), typeof(GatewayFlags)],
            context => DnsRole.Build(context.Given.Get<DnsOptions>(), context.Join(TimeSpan.FromSeconds(10)), context.Configure));
        foreach (var subcommand in DnsCommands.Create(operators))
        {
            command.Subcommands.Add(subcommand);
        }

        return command;
    }
}
