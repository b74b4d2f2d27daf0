using System.CommandLine;
using Plane.Hosting;

namespace Plane.Cli.Roles;

/// <summary><c>plane up</c>: every role in one process.</summary>
internal static class UpCommand
{
    public static Command Create() =>
        RoleCommand.Create("up", "Run every role in one process.", new OptionsBinder<UpOptions>(), EveryRole.Build);
}
