using System.CommandLine;
using Plane.Hosting;
using Plane.Silo;

namespace Plane.Cli.Roles;

/// <summary><c>plane controller</c>.</summary>
internal static class ControllerCommand
{
    public static Command Create()
    {
        var engine = new OptionsBinder<SiloEngineOptions>();
        var command = RoleCommand.Create(
            "controller",
            "Run a controller: grains, sweeps and the HTTP API.",
            new OptionsBinder<SiloOptions>(),
            (options, context) => [SiloRole.Build(options, builder => builder.AddPlaneSilo(engine.Bind(context.Parsed, context.Environment)), context.Configure)]);
        engine.AddTo(command);
        return command;
    }
}
