using System.CommandLine;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Logging;
using Plane.Hosting;

namespace Plane.Cli.Roles;

/// <summary><c>plane demo</c>: every role in one process, and a shared drawing board as the session backend.</summary>
internal static class DemoCommand
{
    public static Command Create() => RoleCommand.Create(
        "demo",
        "Run everything with a shared drawing board, and print its URL. Ctrl-C ends all of it.",
        new OptionsBinder<DemoOptions>(),
        (demo, context) =>
        {
            UsageException.ThrowIfAny(demo.Problems());
            return EveryRole.Build(
                new UpOptions { Data = demo.Data, Port = demo.Port, ProxyPort = demo.ProxyPort, Runtime = demo.Runtime, DockerHost = demo.DockerHost, LeavesNothing = true },
                context);
        },
        (demo, _, hosts, stop) => new BoardSession(demo, (WebApplication)hosts[0]).RunAsync(stop),
        LogLevel.Warning);
}
