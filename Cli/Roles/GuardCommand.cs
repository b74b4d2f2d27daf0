using System.CommandLine;
using Plane.DroneHost.Guard;

namespace Plane.Cli.Roles;

/// <summary><c>plane guard</c>.</summary>
internal static class GuardCommand
{
    private const string Name = "guard";

    /// <summary>This program as its own guard: what an agent starts.</summary>
    public static IReadOnlyList<string> Program { get; } =
        string.Equals(Path.GetFileNameWithoutExtension(Environment.ProcessPath), "dotnet", StringComparison.Ordinal)
            ? [Environment.ProcessPath!, Path.Combine(AppContext.BaseDirectory, "plane.dll"), Name]
            : [Environment.ProcessPath ?? Path.Combine(AppContext.BaseDirectory, "plane"), Name];

    public static Command Create() => RoleCommand.Create(
        Name,
        "Run a drone's guard: it ends backends at their hard deadline when the drone's agent is dead or stopped.",
        [typeof(GuardOptions)],
        context =>
        {
            var options = context.Given.Get<GuardOptions>();
            GuardRole.Detach(options);
            return GuardRole.Build(options, context.Configure);
        });
}
