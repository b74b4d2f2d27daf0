using System.CommandLine;
using Plane.Drone.Guard;
using Plane.Hosting;

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

    public static Command Create()
    {
        var binder = new OptionsBinder<GuardOptions>().Require(nameof(GuardOptions.RunDir));
        return RoleCommand.Create(
            Name,
            "Run a drone's guard: it ends backends at their hard deadline when the drone's agent is dead or stands still.",
            binder,
            (options, context) => [GuardRole.Build(options, context.Configure)],
            first: parsed => Detach(binder, parsed));
    }

    private static void Detach(OptionsBinder<GuardOptions> binder, System.CommandLine.ParseResult parsed)
    {
        try
        {
            GuardRole.Detach(binder.Bind(parsed, ProcessEnvironment.Read()));
        }
        catch (UsageException)
        {
            // Said, with the others, where the options are bound for good.
            return;
        }
    }
}
