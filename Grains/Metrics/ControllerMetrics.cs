using System.Diagnostics.Metrics;

namespace Plane.Grains.Metrics;

/// <summary>The instruments of meter <c>plane.controller</c>. No tag holds a name from outside: their number stays small.</summary>
internal sealed class ControllerMetrics
{
    public const string MeterName = "plane.controller";

    private readonly Meter _meter;
    private readonly Counter<long> _connects;
    private readonly Counter<long> _claims;
    private readonly Counter<long> _placements;
    private readonly Counter<long> _renewals;
    private readonly Counter<long> _states;
    private readonly Histogram<int> _batchSize;
    private readonly Histogram<double> _batchDuration;
    private readonly UpDownCounter<int> _waiting;
    private readonly Counter<long> _sweeps;
    private readonly Counter<long> _swept;
    private readonly Counter<long> _clockSteps;
    private readonly Counter<long> _feedChanges;
    private readonly Counter<long> _feedFailures;
    private readonly Counter<long> _feedGaps;

    public ControllerMetrics(IMeterFactory meters)
    {
        _meter = meters.Create(MeterName);
        _connects = _meter.CreateCounter<long>("plane.controller.connects", "{connect}", "Connects, by outcome.");
        _claims = _meter.CreateCounter<long>("plane.controller.claims", "{claim}", "Claims of warm backends, by outcome.");
        _placements = _meter.CreateCounter<long>("plane.controller.placements", "{attempt}", "Attempts to place a new backend on a drone, by outcome.");
        _renewals = _meter.CreateCounter<long>("plane.controller.renewals", "{renewal}", "Renewals of leases, by outcome.");
        _states = _meter.CreateCounter<long>("plane.controller.states", "{event}", "State events of drones, by outcome.");
        _batchSize = _meter.CreateHistogram<int>("plane.controller.batch.size", "{item}", "Items written in one statement, by writer.");
        _batchDuration = _meter.CreateHistogram<double>("plane.controller.batch.duration", "s", "Time of one batch's statement, by writer.");
        _waiting = _meter.CreateUpDownCounter<int>("plane.controller.waiting", "{call}", "Calls that wait for a change now, by call.");
        _sweeps = _meter.CreateCounter<long>("plane.controller.sweeps", "{run}", "Runs of sweeps, by sweep and outcome.");
        _swept = _meter.CreateCounter<long>("plane.controller.swept", "{row}", "Rows that sweeps concerned, by sweep.");
        _clockSteps = _meter.CreateCounter<long>(
            "plane.controller.database.clock_steps", "{step}", "Steps of the database's clock that were noticed, by direction.");
        _feedChanges = _meter.CreateCounter<long>("plane.controller.feed.changes", "{change}", "Changes read from the log.");
        _feedFailures = _meter.CreateCounter<long>("plane.controller.feed.failures", "{failure}", "Reads of the log that failed.");
        _feedGaps = _meter.CreateCounter<long>("plane.controller.feed.gaps", "{gap}", "Times that rows had been cleaned up before they were read.");
    }

    public void Connected(string outcome) => _connects.Add(1, new KeyValuePair<string, object?>("outcome", outcome));

    public void Claimed(string outcome) => _claims.Add(1, new KeyValuePair<string, object?>("outcome", outcome));

    public void Placed(string outcome) => _placements.Add(1, new KeyValuePair<string, object?>("outcome", outcome));

    public void Renewed(RenewalOutcome outcome, int count) =>
        _renewals.Add(count, new KeyValuePair<string, object?>("outcome", outcome.ToString().ToLowerInvariant()));

    public void StatesApplied(int applied, int refused)
    {
        _states.Add(applied, new KeyValuePair<string, object?>("outcome", "applied"));
        _states.Add(refused, new KeyValuePair<string, object?>("outcome", "refused"));
    }

    public void BatchWritten(string writer, int size, TimeSpan duration)
    {
        var tag = new KeyValuePair<string, object?>("writer", writer);
        _batchSize.Record(size, tag);
        _batchDuration.Record(duration.TotalSeconds, tag);
    }

    public WaitingCall Waiting(string call)
    {
        var waiting = new WaitingCall(_waiting, new KeyValuePair<string, object?>("call", call));
        waiting.Begin();
        return waiting;
    }

    public void Swept(string sweep, string outcome, int rows)
    {
        var tag = new KeyValuePair<string, object?>("sweep", sweep);
        _sweeps.Add(1, tag, new KeyValuePair<string, object?>("outcome", outcome));
        _swept.Add(rows, tag);
    }

    public void ClockStepped(string direction) => _clockSteps.Add(1, new KeyValuePair<string, object?>("direction", direction));

    public void FeedRead(int changes) => _feedChanges.Add(changes);

    public void FeedFailed() => _feedFailures.Add(1);

    public void FeedGap() => _feedGaps.Add(1);

    /// <summary>Has the rows counted that can't be read.</summary>
    public void ObserveStore(Func<long> unreadable) => _meter.CreateObservableCounter(
        "plane.controller.store.unreadable_rows", unreadable, "{row}", "Rows of the database that could not be read and were skipped.");

    /// <summary>Has the feed's age and its number of subscribers observed.</summary>
    public void ObserveFeed(Func<double> age, Func<int> subscribers)
    {
        _meter.CreateObservableGauge("plane.controller.feed.lag", age, "s", "Time since the log was last read to its end.");
        _meter.CreateObservableGauge("plane.controller.feed.subscribers", subscribers, "{subscriber}", "Subscribers of the feed.");
    }

    /// <summary>Counts a call as waiting until it is disposed of.</summary>
    public readonly struct WaitingCall(UpDownCounter<int> counter, KeyValuePair<string, object?> tag) : IDisposable
    {
        public void Begin() => counter.Add(1, tag);

        public void Dispose() => counter.Add(-1, tag);
    }
}
