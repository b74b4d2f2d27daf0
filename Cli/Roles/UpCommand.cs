using System.CommandLine;

namespace Plane.Cli.Roles;

/// <summary><c>plane up</c>: every role in one process.</summary>
internal static class UpCommand
{
    public static Command Create() => RoleCommand.Create(
        "up", "Run every role in one process.", [typeof(UpOptions)], context => AllInOneHost.Build(context.Given.Get<UpOptions>(), context));
}
