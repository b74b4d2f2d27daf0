using System.CommandLine;
using Plane.Hosting;
using Plane.Silo;

namespace Plane.Cli.Roles;

/// <summary><c>plane controller</c>.</summary>
internal static class ControllerCommand
{
    public static Command Create()
    {
        var engine = new OptionsBinder<EngineFlags>();
        var command = RoleCommand.Create(
            "controller",
            "Run a controller: grains, sweeps and the HTTP API.",
            new OptionsBinder<SiloOptions>(),
            (options, context) => [SiloRole.Build(options, engine.Bind(context.Parsed, context.Environment).AddSilo(options.Db), context.Configure)],
            first: static _ => SocketCompletions.RunInline());
        engine.AddTo(command);
        return command;
    }
}
