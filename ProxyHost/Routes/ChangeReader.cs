using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Plane.ProxyHost.Connections;
using Plane.ProxyHost.Controller;
using Plane.ProxyHost.Services;

namespace Plane.ProxyHost.Routes;

/// <summary>
/// Reads the change log, page after page, and carries each change out: routes are forgotten, then connections cut. A lost answer costs one poll, since the
/// position moves only with a page that arrived.
/// </summary>
internal sealed partial class ChangeReader(
    ProxyOptions options,
    IControllerCalls controller,
    RouteCache cache,
    RouteChecks checks,
    ServiceDirectory services,
    OpenExchanges open,
    ChangeProgress progress,
    ControllerContact contact,
    TimeProvider time,
    ILogger<ChangeReader> logger) : BackgroundService
{
    private static readonly TimeSpan s_firstPause = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan s_longestPause = TimeSpan.FromSeconds(5);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        LogPosition? position = null;
        var failing = false;

        // Whatever the failure: this loop is what keeps revoked users out, it must continue. A call that fails while the proxy stops is none.
        var rounds = Retries.Until<bool>(
            s_firstPause, s_longestPause, time, round => round.Exception is not null && !stoppingToken.IsCancellationRequested, round => OnFailure(round.Exception!));
        try
        {
            while (true)
            {
                await rounds.ExecuteAsync(async c => await ReadAsync(c), stoppingToken);
            }
        }
        catch (Exception) when (stoppingToken.IsCancellationRequested)
        {
            return;
        }

        async Task<bool> ReadAsync(CancellationToken cancellationToken)
        {
            var page = await controller.ReadChangesAsync(position, options.ControllerWait, cancellationToken);
            Apply(page, isFirst: position is null);
            position = page.Next;
            contact.Answered();
            if (failing)
            {
                failing = false;
                LogReadingAgain();
            }

            return true;
        }

        void OnFailure(Exception e)
        {
            if (!failing)
            {
                failing = true;
                LogReadFailed(CallFailed.IsUnknownOutcome(e) ? null : e, CallFailed.Reason(e));
            }
        }
    }

    private void Apply(ChangePage page, bool isFirst)
    {
        foreach (var change in page.Changes)
        {
            cache.Apply(change);
            services.Apply(change);
            var cut = change switch
            {
                { Kind: ChangeKind.TokenRevoked, Backend: { } backend, TokenHash: { } hash } => open.CutToken(backend, hash),
                { Kind: ChangeKind.TokenRevoked, Backend: { } backend } => open.CutBackend(backend),
                { Kind: ChangeKind.BackendState, Backend: { } backend, Status: BackendStatus.Terminated } => open.CutBackend(backend),
                _ => 0,
            };
            if (cut > 0)
            {
                LogCut(cut, change.Backend?.Backend.Value ?? "", change.Kind);
            }
        }

        var gap = progress.Gap;
        if (isFirst || page.Gap)
        {
            cache.MissedUpTo(page.Next);
            services.MissedUpTo(page.Next);
        }

        if (gap > options.RouteTrust)
        {
            cache.Clear();
        }
        else if (gap > options.ChangeGap)
        {
            cache.CheckAll();
        }

        if (isFirst || page.Gap || gap > options.ChangeGap)
        {
            checks.OfferOpen();
        }

        if (page.Gap || gap > options.ChangeGap)
        {
            LogGap(gap.TotalSeconds);
        }

        progress.Advance();
    }

    [LoggerMessage(EventIds.ChangeReaderReadFailed, LogLevel.Warning, "The change log can't be read: {Error}")]
    private partial void LogReadFailed(Exception? exception, string error);

    [LoggerMessage(EventIds.ChangeReaderReadingAgain, LogLevel.Information, "The change log is read again")]
    private partial void LogReadingAgain();

    [LoggerMessage(EventIds.ChangeReaderGap, LogLevel.Information, "The proxy reads the change log again after {Seconds} s without it. It checks each route when it is used")]
    private partial void LogGap(double seconds);

    [LoggerMessage(EventIds.ChangeReaderCut, LogLevel.Information, "Cut {Count} open connections of backend {Backend}: {Change}")]
    private partial void LogCut(int count, string backend, ChangeKind change);
}
