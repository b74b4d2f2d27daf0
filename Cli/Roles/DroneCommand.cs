using System.CommandLine;
using Plane.Drone;
using Plane.Hosting;

namespace Plane.Cli.Roles;

/// <summary><c>plane drone</c>.</summary>
internal static class DroneCommand
{
    public static Command Create()
    {
        var gateway = new OptionsBinder<GatewayFlags>();
        var ports = PortRange.Flag("The ports of its backends, or auto. [default: 20000-29999]");
        var binder = new OptionsBinder<DroneOptions>()
            .Without(nameof(DroneOptions.PortFrom))
            .Without(nameof(DroneOptions.PortTo))
            .Without(nameof(DroneOptions.DrawPorts))
            .Without(nameof(DroneOptions.GuardProgram))
            .Require(nameof(DroneOptions.Cluster))
            .With(nameof(DroneOptions.StateFile), "--state");
        var command = RoleCommand.Create("drone", "Run a drone: the agent that runs backends on this machine.", binder, (options, context) =>
        {
            PortRange.Set(context.Parsed.GetValue(ports), options);
            options.GuardProgram = GuardCommand.Program;

            // A drone has keys to renew: it may not wait long between two attempts.
            return [DroneRole.Build(options, context.Join(gateway, TimeSpan.FromSeconds(2)), context.Configure)];
        });
        command.Options.Add(ports);
        gateway.AddTo(command);
        return command;
    }
}
