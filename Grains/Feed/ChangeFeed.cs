using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Plane.Grains.Metrics;
using Plane.Storage;

namespace Plane.Grains.Feed;

/// <summary>
/// Tails the change log for one silo and completes the calls that wait on it: status streams, waiting routes, drones' actions, proxies' changes.
/// <para>
/// <b>The rule: subscribe, then read, then wait.</b> A waiting call (1) subscribes to its topic, (2) reads the durable record, (3) answers if
/// there is something to say, else (4) waits for a signal and continues at (2). A change that was committed before (2) is in what was read. One
/// that is committed after (2) is read from the log by the loop after (1), so it finds the subscription, which remembers the signal until
/// somebody waits for it. No order of the two loses a wake-up, and a signal too many costs one read. Nothing is ever answered from a signal: it
/// carries no data.
/// </para>
/// <para>
/// <b>The loop</b> owns the position; no other code moves it. Each turn it (a) reads, (b) publishes, first to the ring, then by signals, so that
/// a caller that is woken finds the change in the ring, and (c) waits until the log may have grown; the store remembers a commit between (a) and (c),
/// so none is slept over. The wait ends after a second at the latest, the backstop for a wake-up that got lost.
/// </para>
/// <para>
/// <b>Outages.</b> A read that fails is repeated with growing, jittered pauses from the same position: the log is durable, nothing is skipped.
/// Waiting calls end by their own time meanwhile. After an outage, and after a gap (rows cleaned up before they were read), all subscribers are
/// signalled and read again. While the last good read is older than <see cref="s_current"/> the ring answers no caller: a proxy must not take "no
/// change" from a silo that can't know.
/// </para>
/// Memory is bounded by the ring's capacity and the number of subscribers.
/// </summary>
internal sealed partial class ChangeFeed : BackgroundService, IHostedLifecycleService
{
    /// <summary>Some 5 MB, and minutes of changes at 100 a second; who is further behind reads the log itself.</summary>
    public const int RingCapacity = 16_384;

    /// <summary>More waiting calls than that belong on another silo.</summary>
    public const int MaxSubscribers = 200_000;

    private const int PageSize = 1_000;

    // Under steady commits the loop would read as fast as the database answers; so many wake-ups in a row, and it reads at most every 2 ms.
    private const int BusyAfter = 8;

    private static readonly TimeSpan s_busyPause = TimeSpan.FromMilliseconds(2);
    private static readonly TimeSpan s_poll = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan s_current = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan s_longestPause = TimeSpan.FromSeconds(2);

    private readonly IChangeLog _changes;
    private readonly IStore _store;
    private readonly TimeProvider _time;
    private readonly ControllerMetrics _metrics;
    private readonly ILogger<ChangeFeed> _log;
    private readonly FeedTable _table;
    private readonly ChangeRing _ring = new(RingCapacity);
    private long _readAt;

    public ChangeFeed(IChangeLog changes, IStore store, TimeProvider time, ControllerMetrics metrics, ILogger<ChangeFeed> log)
    {
        _changes = changes;
        _store = store;
        _time = time;
        _metrics = metrics;
        _log = log;
        _table = new FeedTable(time, MaxSubscribers);
        _readAt = time.GetTimestamp();
        metrics.ObserveStore(() => store.UnreadableRows);
        metrics.ObserveFeed(() => Age.TotalSeconds, () => _table.Count);
    }

    /// <summary>How far the log was read; null where that isn't known or is out of date.</summary>
    public LogPosition? End => IsCurrent ? _ring.End : null;

    /// <summary>How many subscriptions there are now.</summary>
    public int Subscribers => _table.Count;

    private TimeSpan Age => _time.GetElapsedTime(Volatile.Read(ref _readAt));

    private bool IsCurrent => Age < s_current;

    /// <summary>The controller stops: waiting calls end at once, and their callers go to another controller. A silo would wait for them else, up to 5 s.</summary>
    public Task StoppingAsync(CancellationToken cancellationToken)
    {
        _table.Close();
        return Task.CompletedTask;
    }

    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>Step (1) of the rule.</summary>
    public FeedSubscription Subscribe(Topic topic) => _table.Subscribe(topic);

    /// <summary>A cluster's changes of routes after a position, where the ring covers them and is up to date.</summary>
    public RingPage ReadRoutes(ClusterName cluster, LogPosition after, int limit) =>
        IsCurrent ? _ring.Read(cluster, after, limit) : new RingPage(false, [], after);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var failures = 0;
        var backoff = new Backoff(TimeSpan.FromMilliseconds(100), s_longestPause, _time);
        var failing = new PacedLog(_time);
        LogPosition? position = null;
        try
        {
            while (!stoppingToken.IsCancellationRequested)
            {
                try
                {
                    if (position is null)
                    {
                        position = await _changes.ReadLogEndAsync(stoppingToken);
                        _ring.Reset(position.Value);
                        LogBegun(position.Value.Transaction, position.Value.Sequence);
                        _table.SignalAll();
                    }

                    await foreach (var next in TailAsync(position.Value, stoppingToken))
                    {
                        position = next;
                        if (failures > 0)
                        {
                            LogRecovered(failing.End() ? LogLevel.Information : LogLevel.Debug, failures);
                            failures = 0;
                            backoff.Reset();
                            _table.SignalAll();
                        }
                    }
                }
                catch (Exception e) when (!stoppingToken.IsCancellationRequested)
                {
                    failures++;
                    _metrics.FeedFailed();

                    // An outage of the database has its own line, and one statement that it ended is made up for by the next.
                    var isOutside = e is StoreUnavailableException;
                    var level = (isOutside && _store.Outage is not null) || !failing.IsDue(after: isOutside ? 1 : 0) ? LogLevel.Debug : LogLevel.Warning;
                    LogFailed(level, failures, e.Message, isOutside ? null : e);
                    await backoff.WaitAsync(stoppingToken);
                }
            }
        }
        catch (Exception) when (stoppingToken.IsCancellationRequested)
        {
            // Whatever the read failed with that was cut off, the host would log it as a failure of this service.
            LogStopped();
        }
        finally
        {
            _table.Close();
        }
    }

    /// <summary>The loop; yields the position after each read. Ends by an exception only.</summary>
    private async IAsyncEnumerable<LogPosition> TailAsync(
        LogPosition position, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var busy = 0;
        while (true)
        {
            ChangePage page;
            do
            {
                // (a)
                var asked = _time.GetTimestamp();
                page = await _changes.ReadLogAsync(position, PageSize, cancellationToken);
                Volatile.Write(ref _readAt, asked);

                // (b)
                Publish(page);
                position = page.Next;
                yield return position;
            }
            while (page.Changes.Length >= PageSize);

            // (c)
            var begun = _time.GetTimestamp();
            await _changes.WaitForLogAsync(s_poll, cancellationToken);
            busy = _time.GetElapsedTime(begun) < s_busyPause ? busy + 1 : 0;
            if (busy > BusyAfter)
            {
                await Task.Delay(s_busyPause, _time, cancellationToken);
            }
        }
    }

    private void Publish(ChangePage page)
    {
        if (page.Gap)
        {
            _metrics.FeedGap();
            LogGap(page.Next.Transaction, page.Next.Sequence);
            _ring.Reset(page.Changes.Length > 0 ? page.Changes[0].Position : page.Next);
        }

        _ring.Append(page.Gap ? page.Changes.Skip(1) : page.Changes, page.Next);
        if (page.Changes.Length > 0)
        {
            _metrics.FeedRead(page.Changes.Length);
            _table.Signal(page.Changes.SelectMany(Topic.Of).Distinct());
        }

        if (page.Gap)
        {
            _table.SignalAll();
        }
    }
}
