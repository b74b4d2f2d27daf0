using Orleans;
using Orleans.Concurrency;
using Plane.Grains.Feed;
using Plane.Grains.Metrics;
using Plane.Storage;

namespace Plane.Grains.Routes;

/// <summary>
/// One proxy. Its reports are written as they come; the changes that it asks for come from the feed's ring, so that any number of proxies costs
/// the database nothing. A proxy that is further behind than the ring reaches, or whose silo's feed is out of date, is served from the log
/// itself, or fails with it: "no change" is only ever said by a silo that can know. It keeps nothing: the controller that a proxy reaches answers it.
/// </summary>
[StatelessWorker(1)]
internal sealed class ProxyGrain(
    IRouteStore routes, IChangeLog changeLog, IStore store, ChangeFeed feed, ControllerMetrics metrics, GrainOptions options, TimeProvider time) : Grain, IProxyGrain
{
    private const int ChangesPerPage = 1_000;

    private ProxyName _proxy;

    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        _proxy = ProxyName.TryParse(GrainKeys.WithoutWay(this.GetPrimaryKeyString()), out var proxy) ? proxy : default;
        return Task.CompletedTask;
    }

    public Task Ping(CancellationToken cancellationToken) => store.EnsureAnswers();

    public async Task<ProxyReportReply> Report(ProxyReport report, CancellationToken cancellationToken)
    {
        CheckKey();
        InvalidCallException.ThrowIf(report is null ? new FieldError("report", "must be given") : report.Validate());
        if (report!.Proxy != _proxy)
        {
            throw new InvalidCallException($"the report is that of {report.Proxy}");
        }

        // "None twice" is the contract; a proxy that breaks it must not make two rows of one statement collide.
        await routes.ReportProxyAsync(report with { InUse = [.. report.InUse.Distinct()] }, options.ControllerName, cancellationToken).TranslateStoreFailures();
        return new ProxyReportReply { ReportAgainAfter = options.LeaseNumbers.ProxyReport };
    }

    public async Task<ChangePage> ReadChanges(ClusterName cluster, LogPosition? after, TimeSpan wait, CancellationToken cancellationToken)
    {
        CheckKey();
        InvalidCallException.ThrowIf(FieldError.From("cluster", NameRules.NameProblem(cluster)));
        if (after is not { } position)
        {
            return new ChangePage { Next = feed.End ?? await changeLog.ReadLogEndAsync(cancellationToken).TranslateStoreFailures() };
        }

        var begun = time.GetTimestamp();
        using var waiting = metrics.Waiting("changes");

        // (1) to (4) of the feed's rule; what is read is the ring, which is published before the signal.
        using var subscription = feed.Subscribe(Topic.Routes(cluster));
        for (var isLast = false; ; isLast = !await subscription.WaitAsync(time.Left(begun, LongPoll.Bounded(wait)), cancellationToken))
        {
            var page = await ReadAsync(cluster, position, cancellationToken);
            if (page.Changes.Length > 0 || page.Gap || isLast)
            {
                return page;
            }

            // Past what concerns others, so that a quiet cluster doesn't fall behind the ring.
            position = page.Next;
        }
    }

    private void CheckKey()
    {
        if (_proxy == default)
        {
            throw this.KeyRefused(ProxyName.Rule);
        }
    }

    private async Task<ChangePage> ReadAsync(ClusterName cluster, LogPosition after, CancellationToken cancellationToken)
    {
        while (true)
        {
            var ring = feed.ReadRoutes(cluster, after, ChangesPerPage);
            if (ring.IsCovered)
            {
                return new ChangePage { Changes = ring.Changes, Next = ring.Next };
            }

            var page = await changeLog.ReadLogAsync(after, ChangesPerPage, cancellationToken).TranslateStoreFailures();
            var changes = page.Changes
                .Where(c => ChangeRing.IsForProxies(c.Kind) && (c.Cluster == cluster || c.Kind == ChangeKind.Service))
                .ToArray();
            if (changes.Length > 0 || page.Gap || page.Changes.Length < ChangesPerPage)
            {
                return page with { Changes = changes };
            }

            after = page.Next;
        }
    }
}
