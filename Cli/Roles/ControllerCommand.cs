using System.CommandLine;
using Plane.Hosting;
using Plane.Silo;

namespace Plane.Cli.Roles;

/// <summary><c>plane controller</c>.</summary>
internal static class ControllerCommand
{
    public static Command Create()
    {
        var silo = new OptionsBinder<SiloFlags>();
        var command = RoleCommand.Create(
            "controller",
            "Run a controller: grains, sweeps and the HTTP API.",
            new OptionsBinder<SiloOptions>(),
            (options, context) => [SiloRole.Build(options, silo.Bind(context.Parsed, context.Environment).AddSilo(options.Db), context.Configure)],
            first: static _ => SocketCompletions.RunInline());
        silo.AddTo(command);
        return command;
    }
}
