using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;
using Plane.Hosting.Running;

namespace Plane.Hosting.Logging;

/// <summary>Sets up logging as every role has it.</summary>
public static class PlaneLogging
{
    private const string OrleansSilo = "Orleans.Runtime.Silo";
    private const string OrleansLifecycle = "Orleans.Runtime.SiloLifecycleSubject";

    /// <summary>
    /// Logs to standard error, which leaves standard output to results and the ready line. Replaces what was set up before.
    /// </summary>
    /// <param name="builder">The role's builder.</param>
    /// <param name="options">Form and level.</param>
    public static IHostApplicationBuilder AddPlaneLogging(this IHostApplicationBuilder builder, HostingOptions options)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(options);
        builder.Services.AddSingleton(options);
        AddFilters(builder.Logging.ClearProviders(), options.LogLevel ?? LogLevel.Information);
        builder.Logging.AddConsole(o =>
        {
            o.LogToStandardErrorThreshold = LogLevel.Trace;

            // Never wait for a reader of the log that has stopped reading: leases must be renewed. Entries are dropped then, and the logger says how many.
            o.QueueFullMode = ConsoleLoggerQueueFullMode.DropWrite;
        });
        builder.Logging.AddJsonConsole(o =>
        {
            o.UseUtcTimestamp = true;
            o.TimestampFormat = "yyyy-MM-dd'T'HH:mm:ss.fff'Z'";
        });

        // AddJsonConsole also chooses its formatter; this choice is the one that counts. Under systemd each line has its level for the journal.
        builder.Services.PostConfigure<ConsoleLoggerOptions>(o =>
            o.FormatterName = options.LogFormat == LogFormat.Json ? ConsoleFormatterNames.Json
                : SystemdService.IsThis ? ConsoleFormatterNames.Systemd : Logging.LineFormatter.FormatterName);
        builder.Services.AddSingleton<ConsoleFormatter>(s =>
            new Logging.LineFormatter(options, s.GetService<TimeProvider>() ?? TimeProvider.System));
        return builder;
    }

    /// <summary>Plane's own entries from the level on that was asked for; of libraries only what an operator can act on.</summary>
    private static void AddFilters(ILoggingBuilder logging, LogLevel least)
    {
        logging.SetMinimumLevel(least);
        foreach (var framework in (ReadOnlySpan<string>)["Microsoft", "System", "Orleans", "Yarp", "Npgsql", "OpenTelemetry"])
        {
            logging.AddFilter(framework, level => level >= LogLevel.Warning && level >= least);
        }

        // Orleans repeats placements by Polly, which logs each attempt as a warning, also while a silo stops. A call that fails in the end is reported by its caller.
        // A call without an answer is reported by its caller, once an outage; here it would be a line for each call and ping.
        logging.AddFilter("Orleans.Runtime.CallbackData", level => level >= LogLevel.Error && level >= least);
        logging.AddFilter("Polly", level => level >= LogLevel.Error && level >= least);

        // Orleans would have the garbage collector of servers, and reports it in two warnings at each start. This program has the other one by its build, since it runs beside others
        // on small machines, and an operator can change nothing about that. The only other warning of this category is seconded by the silo's life cycle, whose name begins as this one's.
        // Nor can they where a stage of the silo's stop takes more than a second, as one does that waits for calls that wait: the life cycle's only warning. What fails there is an error.
        logging.Services.Configure<LoggerFilterOptions>(o => o.Rules.Add(new LoggerFilterRule(null, OrleansSilo, null, (_, category, level) =>
            level >= least && level >= (category is OrleansSilo or OrleansLifecycle ? LogLevel.Error : LogLevel.Warning))));

        // The silo's watchdog measures its first check from the machine's start, and all others by a clock that may be set: it warns of both.
        logging.AddFilter("Orleans.Runtime.Watchdog", level => level >= LogLevel.Error && level >= least);

        // Their warnings say, with a stack trace every few seconds, that the database is unavailable, which the controller's store logs itself with the cause.
        foreach (var membership in (ReadOnlySpan<string>)["MembershipAgent", "MembershipTableManager"])
        {
            logging.AddFilter($"Orleans.Runtime.MembershipService.{membership}", level => level >= LogLevel.Error && level >= least);
        }

        // A peer that is gone is a warning with a stack trace for each of its connections and calls, and a standstill of this program one for each timer: one of them says it.
        foreach (var category in (ReadOnlySpan<string>)
            ["Orleans.Runtime.Messaging.Connection", "Orleans.Messaging", "Orleans.Runtime.ClientClusterManifestProvider", "Orleans.Runtime.AsyncTimer", "Orleans.Runtime.MembershipService.LocalSiloHealthMonitor"])
        {
            logging.AddFilter(category, level => level >= LogLevel.Error && level >= least);
        }

        logging.AddFilter("Orleans.Runtime.AsyncTimer.UpdateIAmAlive", level => level >= LogLevel.Warning && level >= least);

        // One warning for each connection beyond the limit.
        logging.AddFilter("Microsoft.AspNetCore.Server.Kestrel.Connections", level => level >= LogLevel.Error && level >= least);

        // A failed start or service is explained by HostProgram, in the operator's words; the host would print its stack first.
        logging.AddFilter("Microsoft.Extensions.Hosting.Internal.Host", LogLevel.None);

        // Of the web server's host, which has nothing to say that we would log, but for whose sake each request gets an activity, its identifiers as texts, and a log scope.
        logging.AddFilter("Microsoft.AspNetCore.Hosting.Diagnostics", LogLevel.None);
    }
}
