using System.CommandLine;
using Plane.Hosting.Running;
using Plane.Silo;

namespace Plane.Cli.Roles;

/// <summary><c>plane controller</c>.</summary>
internal static class ControllerCommand
{
    public static Command Create() => RoleCommand.Create(
        "controller",
        "Run a controller: grains, sweeps and the HTTP API.",
        [typeof(ControllerOptions), typeof(SiloFlags)],
        context =>
        {
            var options = context.Given.Get<ControllerOptions>();
            return SiloRole.Build(options, context.Given.Get<SiloFlags>().AddSilo(options.Db), context.Configure);
        },
        first: SocketCompletions.RunInline);
}
