using System.Collections;
using System.CommandLine;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Plane.Cli.Configuration;
using Plane.Hosting.Configuration;
using Plane.Hosting.Logging;
using Plane.Hosting.Running;
using Plane.Hosting;

namespace Plane.Cli.Roles;

/// <summary>Makes the command of one role: file, environment and flags become options, the options a host, the host runs until a signal.</summary>
internal sealed class RoleCommand : Command
{
    private RoleCommand(string name, string description, RoleConfiguration configuration)
        : base(name, description)
    {
        Configuration = configuration;
        configuration.AddTo(this);
    }

    /// <summary>The role's options.</summary>
    public RoleConfiguration Configuration { get; }

    /// <summary>A role's command.</summary>
    /// <param name="name">The command.</param>
    /// <param name="description">Its line in the help.</param>
    /// <param name="options">The types whose properties are its options.</param>
    /// <param name="build">Builds the program's host.</param>
    /// <param name="logLevel">The least level that is logged where the flag doesn't say.</param>
    /// <param name="first">Runs before anything else.</param>
    public static RoleCommand Create(
        string name,
        string description,
        Type[] options,
        Func<RoleContext, IHost> build,
        LogLevel logLevel = LogLevel.Information,
        Action? first = null)
    {
        var configuration = new RoleConfiguration([.. options, typeof(HostingOptions)]);
        var command = new RoleCommand(name, description, configuration);
        command.SetAction(async (parsed, _) =>
        {
            first?.Invoke();
            try
            {
                var environment = Environment.GetEnvironmentVariables().Cast<DictionaryEntry>().ToDictionary(v => (string)v.Key, v => (string?)v.Value ?? "");
                return await HostProgram.RunAsync(Build(configuration.Read(parsed, environment), environment, logLevel, build), Console.Error).ConfigureAwait(false);
            }
            catch (Exception e) when (HostProgram.TryExplain(e, Console.Error) is { } code)
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

    private static IHost Build(GivenOptions given, Dictionary<string, string> environment, LogLevel logLevel, Func<RoleContext, IHost> build)
    {
        try
        {
            var hosting = given.Get<HostingOptions>();
            hosting.ReadOpenTelemetry(environment);
            if (hosting.Problems().ToArray() is { Length: > 0 } problems)
            {
                throw new OptionsValidationException(nameof(HostingOptions), typeof(HostingOptions), problems);
            }

            hosting.LogLevel ??= logLevel;
            return build(new RoleContext(given, hosting));
        }
        catch (OptionsValidationException e)
        {
            throw new OptionsValidationException(e.OptionsName, e.OptionsType, e.Failures.Select(given.Locate));
        }
    }
}

/// <summary>What a role's host is built from.</summary>
/// <param name="Given">The options.</param>
/// <param name="Hosting">Logging and metrics.</param>
internal sealed record RoleContext(GivenOptions Given, HostingOptions Hosting)
{
    /// <summary>What the program's builder gets.</summary>
    public void Configure(IHostApplicationBuilder builder) => builder.AddPlaneLogging(Hosting).UseProgramLifetime();

    /// <summary>Registers the cluster's client as the command line says.</summary>
    public Action<IHostApplicationBuilder> Join(TimeSpan longestDelay) => Given.Get<GatewayFlags>().Join(longestDelay);
}
