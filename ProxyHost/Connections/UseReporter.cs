using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Plane.ProxyHost.Controller;

namespace Plane.ProxyHost.Connections;

/// <summary>Tells the controller, as often as it asks for, which backends are in use, and by that that the proxy lives.</summary>
internal sealed partial class UseReporter(
    ProxyOptions options,
    IControllerCalls controller,
    OpenExchanges open,
    ControllerContact contact,
    TimeProvider time,
    ILogger<UseReporter> logger) : BackgroundService
{
    // What the controller may ask for: a slip there must neither flood it nor make this proxy count as dead.
    private static readonly TimeSpan s_shortest = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan s_longest = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan s_firstPause = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan s_longestPause = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan s_lastReport = TimeSpan.FromSeconds(1);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var every = options.ReportEvery;
        var failing = false;

        // Idleness is counted up to the oldest last report, so a late one ends no backend; still, soon again, and not all proxies at once.
        var retries = Retries.Until<ProxyReportReply?>(s_firstPause, s_longestPause, time, report => report.Result is null && !stoppingToken.IsCancellationRequested, _ => OnFailure());
        try
        {
            while (true)
            {
                if (await retries.ExecuteAsync(async c => await TryReportAsync(c), stoppingToken) is { } reply)
                {
                    every = reply.ReportAgainAfter < s_shortest ? s_shortest : reply.ReportAgainAfter > s_longest ? s_longest : reply.ReportAgainAfter;
                    failing = false;
                }

                await Task.Delay(every, time, stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The last report follows.
        }

        void OnFailure()
        {
            if (!failing)
            {
                failing = true;
                LogReportFailed();
            }
        }
    }

    /// <summary>After the last request has ended: what was used since the last report would otherwise count as idle.</summary>
    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        using var limit = new CancellationTokenSource(s_lastReport, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        await TryReportAsync(both.Token);
    }

    private async Task<ProxyReportReply?> TryReportAsync(CancellationToken cancellationToken)
    {
        var used = open.TakeUsed();
        var told = 0;
        try
        {
            while (true)
            {
                var batch = used.AsSpan(told, Math.Min(ProxyReport.MaxBackends, used.Length - told)).ToArray();
                // The sign of life is the last part's: what a part that failed did not name must not count as idle.
                var reply = await controller.ReportAsync(batch, told + batch.Length < used.Length, cancellationToken).WaitAsync(cancellationToken);
                contact.Answered();
                told += batch.Length;
                if (told == used.Length)
                {
                    return reply;
                }
            }
        }
        catch (Exception e)
        {
            open.GiveBack(used.Skip(told));
            if (!cancellationToken.IsCancellationRequested)
            {
                LogReportError(e, e.Message);
            }

            return null;
        }
    }

    [LoggerMessage(EventIds.UseReporterReportFailed, LogLevel.Warning, "No controller accepted the report of backends in use. The proxy retries. If this lasts, idle backends may be ended")]
    private partial void LogReportFailed();

    [LoggerMessage(EventIds.UseReporterReportError, LogLevel.Debug, "A report failed: {Error}")]
    private partial void LogReportError(Exception exception, string error);
}
