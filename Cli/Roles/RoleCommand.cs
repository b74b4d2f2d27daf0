using System.CommandLine;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Plane.Hosting;

namespace Plane.Cli.Roles;

/// <summary>Makes the command of one role: flags and environment become options, the options a host, the host runs until a signal.</summary>
internal static class RoleCommand
{
    /// <summary>A role's command.</summary>
    /// <typeparam name="T">The role's options.</typeparam>
    /// <param name="name">The command.</param>
    /// <param name="description">Its line in the help.</param>
    /// <param name="binder">The role's flags.</param>
    /// <param name="build">Builds the hosts in the order of their start.</param>
    /// <param name="companion">Runs beside them once they have started.</param>
    /// <param name="logLevel">The least level that is logged where the flag doesn't say.</param>
    /// <param name="first">Runs before anything is written or a signal heard.</param>
    public static Command Create<T>(
        string name,
        string description,
        OptionsBinder<T> binder,
        Func<T, RoleContext, IHost[]> build,
        Func<T, RoleContext, IHost[], CancellationToken, Task>? companion = null,
        LogLevel logLevel = LogLevel.Information,
        Action<ParseResult>? first = null)
        where T : class, new()
    {
        var hosting = new OptionsBinder<HostingOptions>();
        var command = new Command(name, description);
        binder.AddTo(command);
        hosting.AddTo(command);
        command.SetAction(async (parsed, _) =>
        {
            first?.Invoke(parsed);

            // Signals before anything slow: one that comes during the start is heard.
            using var runner = new HostRunner().ListenToSignals();
            try
            {
                var environment = ProcessEnvironment.Read();
                var options = binder.Bind(parsed, environment);
                var shared = hosting.Bind(parsed, environment);
                shared.ReadOpenTelemetry(environment);
                UsageException.ThrowIfAny(shared.Problems());
                shared.LogLevel ??= logLevel;
                var context = new RoleContext(parsed, environment, shared);
                var hosts = build(options, context);
                return await runner.RunAsync(hosts, companion is null ? null : stop => companion(options, context, hosts, stop)).ConfigureAwait(false);
            }
            catch (Exception e) when (HostRunner.TryExplain(e, Console.Error) is { } code)
            {
                if (e is UsageException or OptionsValidationException)
                {
                    await Console.Error.WriteLineAsync(ParseProblems.SeeHelp(parsed.CommandResult)).ConfigureAwait(false);
                }

                return code;
            }
        });
        return command;
    }
}

/// <summary>What a role's command was started with, beside its own options.</summary>
/// <param name="Parsed">The command line.</param>
/// <param name="Environment">The environment.</param>
/// <param name="Hosting">Logging and metrics.</param>
internal sealed record RoleContext(ParseResult Parsed, IReadOnlyDictionary<string, string> Environment, HostingOptions Hosting)
{
    /// <summary>What every role's builder gets.</summary>
    public void Configure(IHostApplicationBuilder builder) => builder.AddPlaneLogging(Hosting);

    /// <summary>Registers the cluster's client as the command line says.</summary>
    public Action<IHostApplicationBuilder> Join(OptionsBinder<GatewayFlags> gateway, TimeSpan longestDelay) =>
        gateway.Bind(Parsed, Environment).Join(longestDelay);
}
