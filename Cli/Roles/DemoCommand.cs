using System.CommandLine;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Plane.Cli.Roles;

/// <summary><c>plane demo</c>: every role in one process, and a shared drawing board as the session backend.</summary>
internal static class DemoCommand
{
    public static Command Create() => RoleCommand.Create(
        "demo",
        "Run everything with a shared drawing board, and print its URL. Ctrl-C ends all of it.",
        [typeof(DemoOptions)],
        context =>
        {
            var demo = new DemoOptionsValidator().Validated(context.Given.Get<DemoOptions>());
            return AllInOneHost.Build(
                new UpOptions { Data = demo.Data, Port = demo.Port, ProxyPort = demo.ProxyPort, Runtime = demo.Runtime, DockerHost = demo.DockerHost, LeavesNothing = true },
                context,
                builder => builder.Services.AddSingleton(demo).AddHostedService<DemoSession>());
        },
        LogLevel.Warning);
}
