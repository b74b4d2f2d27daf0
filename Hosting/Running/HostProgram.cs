using System.Runtime.InteropServices;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Hosting.Internal;
using Microsoft.Extensions.Hosting.Systemd;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Orleans.Runtime;

namespace Plane.Hosting.Running;

/// <summary>Runs the host of a program, from its start to the exit code.</summary>
public static partial class HostProgram
{
    private static readonly List<PosixSignalRegistration> s_atNextSignal = [];

    /// <summary>
    /// Makes a host the program's: it stops at the process's signals, and under systemd it says when it is ready, that it is alive, and when it stops. Only one host of a process may be this.
    /// </summary>
    /// <param name="builder">The host's builder.</param>
    public static IHostApplicationBuilder UseProgramLifetime(this IHostApplicationBuilder builder)
    {
        ArgumentNullException.ThrowIfNull(builder);
        if (SystemdService.IsThis)
        {
            builder.Services.AddSingleton<ISystemdNotifier, SystemdNotifier>();
            builder.Services.AddSingleton<IHostLifetime, SystemdLifetime>();
            builder.Services.AddHostedService<SystemdWatchdog>();
        }
        else
        {
            builder.Services.AddSingleton<IHostLifetime, ConsoleLifetime>();
            builder.Services.Configure<ConsoleLifetimeOptions>(o => o.SuppressStatusMessages = true);
        }

        return builder;
    }

    /// <summary>Starts the host, waits until it is stopped, and disposes of it.</summary>
    /// <param name="host">The host.</param>
    /// <param name="error">Where the reason of a failed start or end is written.</param>
    /// <returns>What the program exits with.</returns>
    public static async Task<int> RunAsync(IHost host, TextWriter error)
    {
        ArgumentNullException.ThrowIfNull(host);
        ArgumentNullException.ThrowIfNull(error);
        var lifetime = host.Services.GetRequiredService<IHostApplicationLifetime>();
        var exit = host.Services.GetRequiredService<HostExit>();
        var logger = host.Services.GetRequiredService<ILoggerFactory>().CreateLogger(typeof(HostProgram));
        using var hangUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, c =>
        {
            c.Cancel = true;
            lifetime.StopApplication();
        });
        using var again = lifetime.ApplicationStopping.Register(EndAtNextSignal);
        var code = ExitCodes.Done;
        var isStarted = false;
        try
        {
            await host.StartAsync().ConfigureAwait(false);
            isStarted = true;
            await host.WaitForShutdownAsync().ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!isStarted && lifetime.ApplicationStopping.IsCancellationRequested)
        {
            // Stopped during the start.
        }
        catch (Exception e)
        {
            code = TryExplain(e, error) ?? Unforeseen(logger, e, error);
        }

        // Also of a start that was stopped: a service that fails meanwhile stops it. A start that failed has said why.
        foreach (var failure in code == ExitCodes.Done ? Failures(host) : [])
        {
            var its = TryExplain(failure, error) ?? Unforeseen(logger, failure, error);
            code = code == ExitCodes.Done ? its : code;
        }

        if (exit.Reason is { } reason)
        {
            Say(error, reason);
            code = code == ExitCodes.Done ? exit.Code : code;
        }

        try
        {
            await ((IAsyncDisposable)host).DisposeAsync().ConfigureAwait(false);
        }
        catch (Exception e)
        {
            // Its logging may be gone already.
            Say(error, $"failed while stopping: {e.Message}");
            code = code == ExitCodes.Done ? ExitCodes.Refused : code;
        }

        return code;
    }

    /// <summary>What a program exits with after an exception, having said why.</summary>
    /// <param name="e">What stopped it.</param>
    /// <param name="error">Where to say so.</param>
    /// <returns>The exit code, or <see langword="null"/> for an exception that is a fault of the program.</returns>
    public static int? TryExplain(Exception e, TextWriter error)
    {
        ArgumentNullException.ThrowIfNull(error);
        switch (e)
        {
            case OptionsValidationException invalid:
                foreach (var problem in invalid.Failures)
                {
                    Say(error, problem);
                }

                return ExitCodes.Usage;
            case StartRefusedException refused:
                Say(error, refused.Message);
                return refused.ExitCode;
            case OrleansConfigurationException engine:
                Say(error, engine.Message);
                return ExitCodes.Refused;
            case AggregateException { InnerExceptions: [var only] }:
                return TryExplain(only, error);
            default:
                return null;
        }
    }

    private static int Unforeseen(ILogger logger, Exception e, TextWriter error)
    {
        LogFailed(logger, e);
        Say(error, $"failed: {e.Message}");
        return ExitCodes.Refused;
    }

    // As the operator's commands: beside others in a terminal or a journal, a line says whose it is.
    private static void Say(TextWriter error, string what) => error.WriteLine("plane: " + what);

    // Background services whose failure stopped the host: the platform logs them, but does not throw.
    private static IEnumerable<Exception> Failures(IHost host) => host.Services.GetServices<IHostedService>().SelectMany(FailuresOf);

    private static IEnumerable<Exception> FailuresOf(IHostedService service) => service switch
    {
        BackgroundService { ExecuteTask: { IsFaulted: true, Exception: { } failure } } => failure.InnerExceptions,
        NestedHost nested => Failures(nested.Host),
        _ => [],
    };

    // Kept until the process ends: a registration that is collected hears nothing.
    private static void EndAtNextSignal() => s_atNextSignal.AddRange(
    [
        PosixSignalRegistration.Create(PosixSignal.SIGHUP, _ => Environment.Exit(128 + 1)),
        PosixSignalRegistration.Create(PosixSignal.SIGINT, _ => Environment.Exit(128 + 2)),
        PosixSignalRegistration.Create(PosixSignal.SIGTERM, _ => Environment.Exit(128 + 15)),
    ]);

    [LoggerMessage(EventIds.HostProgramFailed, LogLevel.Critical, "failed")]
    private static partial void LogFailed(ILogger logger, Exception exception);
}
