using System.CommandLine;
using Plane.Cli.Operator;
using Plane.Dns;
using Plane.Hosting;

namespace Plane.Cli.Roles;

/// <summary><c>plane dns</c>, and below it what operators do with the DNS of a cluster.</summary>
internal static class DnsCommand
{
    public static Command Create(OperatorContext operators)
    {
        var gateway = new OptionsBinder<GatewayFlags>();
        var command = RoleCommand.Create(
            "dns",
            "Run a DNS server that answers ACME DNS-01 challenges.",
            new OptionsBinder<DnsOptions>().Require(nameof(DnsOptions.Zone)),
            (options, context) => [DnsRole.Build(options, context.Join(gateway, TimeSpan.FromSeconds(10)), context.Configure)]);
        gateway.AddTo(command);
        foreach (var subcommand in DnsCommands.Create(operators))
        {
            command.Subcommands.Add(subcommand);
        }

        return command;
    }
}
