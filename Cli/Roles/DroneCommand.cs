using System.CommandLine;
using System.Globalization;
using Plane.Drone;
using Plane.Hosting;

namespace Plane.Cli.Roles;

/// <summary><c>plane drone</c>.</summary>
internal static class DroneCommand
{
    public static Command Create()
    {
        var gateway = new OptionsBinder<GatewayFlags>();
        var ports = new Option<string?>("--port-range") { Description = "The ports of its backends. [default: 20000-29999]", HelpName = "A-B" };
        var binder = new OptionsBinder<DroneOptions>()
            .Without(nameof(DroneOptions.PortFrom))
            .Without(nameof(DroneOptions.PortTo))
            .Without(nameof(DroneOptions.GuardProgram))
            .Require(nameof(DroneOptions.Cluster))
            .With(nameof(DroneOptions.StateFile), "--state");
        var command = RoleCommand.Create("drone", "Run a drone: the agent that runs backends on this machine.", binder, (options, context) =>
        {
            if (context.Parsed.GetValue(ports) is { } range)
            {
                SetPorts(options, range);
            }

            options.GuardProgram = GuardCommand.Program;

            // A drone has keys to renew: it may not wait long between two attempts.
            return [DroneRole.Build(options, context.Join(gateway, TimeSpan.FromSeconds(2)), context.Configure)];
        });
        command.Options.Add(ports);
        gateway.AddTo(command);
        return command;
    }

    private static void SetPorts(DroneOptions options, string range)
    {
        var parts = range.Split('-');
        if (parts.Length != 2
            || !ushort.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out var from)
            || !ushort.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out var to))
        {
            throw new UsageException("--port-range must be two ports, as 20000-29999");
        }

        options.PortFrom = from;
        options.PortTo = to;
    }
}
