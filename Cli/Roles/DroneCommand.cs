using System.CommandLine;
using Plane.DroneHost;

namespace Plane.Cli.Roles;

/// <summary><c>plane drone</c>.</summary>
internal static class DroneCommand
{
    public static Command Create() => RoleCommand.Create(
        "drone",
        "Run a drone: the agent that runs backends on this machine.",
        [typeof(DroneOptions), typeof(GatewayFlags)],
        context =>
        {
            var options = context.Given.Get<DroneOptions>();
            options.GuardProgram = GuardCommand.Program;

            // A drone has keys to renew: it may not wait long between two attempts.
            return DroneRole.Build(options, context.Join(TimeSpan.FromSeconds(2)), context.Configure);
        });
}
