using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Plane.Storage.Postgres;

/// <summary>
/// Wakes the readers of the change log: this silo's at once after its own commits, the other silos' by a notification. A notification is sent after commits,
/// by its own statement, at most every 10 ms: within a transaction it would make all committers queue for one lock
/// (PostgreSQL, <c>src/backend/commands/async.c</c>, PreCommit_Notify). A lost one costs the reader its poll, nothing more.
/// </summary>
internal sealed partial class PostgresFeed : IAsyncDisposable
{
    private const string Channel = "plane_changes";
    private const int MostBreaks = 5;
    private static readonly TimeSpan s_notifyEvery = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan s_firstRecheck = TimeSpan.FromMilliseconds(2);
    private static readonly TimeSpan s_lastRecheck = TimeSpan.FromMilliseconds(128);

    // No transaction of ours comes near it.
    private static readonly TimeSpan s_longTransaction = TimeSpan.FromSeconds(5);

    private readonly NpgsqlDataSource _source;
    private readonly Func<NpgsqlConnection> _connect;
    private readonly StoreOutage _outage;
    private readonly PacedLog _broken;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly string _self = RandomText.Name("");
    private readonly Channel<bool> _commits = System.Threading.Channels.Channel.CreateBounded<bool>(
        new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });

    private readonly CancellationTokenSource _stopping = new();
    private readonly ITimer _recheck;
    private readonly Lock _recheckLock = new();
    private TimeSpan _recheckAfter = s_firstRecheck;
    private long _oldest;
    private long _oldestSince;
    private bool _isLong;
    private Task _listening = Task.CompletedTask;
    private Task _notifying = Task.CompletedTask;

    public PostgresFeed(NpgsqlDataSource source, Func<NpgsqlConnection> connect, StoreOutage outage, TimeProvider time, ILogger logger)
    {
        _source = source;
        _connect = connect;
        _outage = outage;
        _broken = new PacedLog(time);
        _time = time;
        _logger = logger;
        Signal = new LogSignal(time);
        _recheck = time.CreateTimer(static signal => ((LogSignal)signal!).Wake(), Signal, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>What the waiting calls wait for.</summary>
    public LogSignal Signal { get; }

    public void Start()
    {
        if (_listening.IsCompleted && !_stopping.IsCancellationRequested)
        {
            _listening = ListenAsync();
            _notifying = NotifyAsync();
        }
    }

    /// <summary>A transaction that may have written to the log was committed here.</summary>
    public void Committed()
    {
        Signal.Wake();
        _commits.Writer.TryWrite(true);
    }

    /// <summary>
    /// What a read of the log saw. A row that is committed while an older transaction still runs cannot be read yet, and the end of that other one wakes no reader
    /// (it may be a renewal, or no transaction of ours): so the log is read again soon, and less and less often while it stays so. Transactions are numbered over all
    /// databases of a server: one that runs for long, in whichever, is logged, since no reader is notified of anything meanwhile.
    /// </summary>
    /// <param name="rowsAreHeldBack">Whether there are rows that cannot be read yet.</param>
    /// <param name="oldest">The oldest transaction that still ran.</param>
    public void Read(bool rowsAreHeldBack, long oldest)
    {
        lock (_recheckLock)
        {
            if (!rowsAreHeldBack || oldest != _oldest)
            {
                if (_isLong)
                {
                    var lasted = _time.GetElapsedTime(_oldestSince);
                    LogLongEnded(lasted.TotalSeconds);
                }

                (_oldest, _oldestSince, _isLong) = (oldest, _time.GetTimestamp(), false);
            }
            else if (!_isLong && _time.GetElapsedTime(_oldestSince) >= s_longTransaction)
            {
                _isLong = true;
                LogLong(s_longTransaction.TotalSeconds);
            }

            if (!rowsAreHeldBack)
            {
                _recheckAfter = s_firstRecheck;
                return;
            }

            _recheck.Change(_recheckAfter, Timeout.InfiniteTimeSpan);
            _recheckAfter = _recheckAfter * 2 < s_lastRecheck ? _recheckAfter * 2 : s_lastRecheck;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await Task.WhenAll(_listening, _notifying);
        await _recheck.DisposeAsync();
        _stopping.Dispose();
    }

    private async Task ListenAsync()
    {
        var failures = 0;
        var backoff = new Backoff(TimeSpan.FromMilliseconds(100), TimeSpan.FromSeconds(3), _time);
        while (!_stopping.IsCancellationRequested)
        {
            try
            {
                await using var connection = _connect();
                connection.Notification += (_, notification) =>
                {
                    if (notification.Payload != _self)
                    {
                        Signal.Wake();
                    }
                };
                await connection.OpenAsync(_stopping.Token);
                await using (var listen = new NpgsqlCommand($"listen {Channel}", connection))
                {
                    await listen.ExecuteNonQueryAsync(_stopping.Token);
                }

                if (_broken.End())
                {
                    LogListening();
                }

                failures = 0;
                backoff.Reset();

                // What was sent while no listener was there.
                Signal.Wake();
                while (true)
                {
                    await connection.WaitAsync(_stopping.Token);
                }
            }
            catch (Exception) when (_stopping.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                // An outage of the database has its own line. What is logged here is a connection that breaks again and again without one.
                _outage.Suspect();
                if (++failures >= MostBreaks && _outage.Current is null && _broken.IsDue())
                {
                    LogListenerBroke(PostgresErrors.Reason(e), PostgresErrors.Unforeseen(e));
                }

                await PauseAsync(backoff.Next());
            }
        }
    }

    private async Task NotifyAsync()
    {
        while (!_stopping.IsCancellationRequested)
        {
            try
            {
                await _commits.Reader.ReadAsync(_stopping.Token);
                await using var command = _source.CreateCommand("select pg_notify($1, $2)");
                command.Parameters.Add(Sql.Text(Channel));
                command.Parameters.Add(Sql.Text(_self));
                await command.ExecuteNonQueryAsync(_stopping.Token);
            }
            catch (Exception) when (_stopping.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                // Polls make up for it. An outage of the database has its own line.
                var (reason, unforeseen) = (PostgresErrors.Reason(e), PostgresErrors.Unforeseen(e));
                LogNotifyFailed(unforeseen is null ? LogLevel.Debug : LogLevel.Warning, reason, unforeseen);
                _outage.Suspect();
            }

            await PauseAsync(s_notifyEvery);
        }
    }

    private Task PauseAsync(TimeSpan time) =>
        Task.Delay(time, _time, _stopping.Token).ContinueWith(static _ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);

    [LoggerMessage(EventId = EventIds.PostgresFeedListenerBroke, Level = LogLevel.Warning, Message = "the connection that listens for changes broke; changes are polled until a new one is open: {Reason}")]
    private partial void LogListenerBroke(string reason, Exception? error);

    [LoggerMessage(EventId = EventIds.PostgresFeedListening, Level = LogLevel.Information, Message = "listening for changes again")]
    private partial void LogListening();

    [LoggerMessage(
        EventId = EventIds.PostgresFeedLong,
        Level = LogLevel.Warning,
        Message = "a transaction has run on the database's server for {Seconds:0} s, maybe in another database: until it ends, drones hear late of what was committed since, proxies and status streams not at all")]
    private partial void LogLong(double seconds);

    [LoggerMessage(EventId = EventIds.PostgresFeedLongEnded, Level = LogLevel.Information, Message = "the long transaction on the database's server has ended, after {Seconds:0} s: changes committed meanwhile are now delivered")]
    private partial void LogLongEnded(double seconds);

    [LoggerMessage(EventId = EventIds.PostgresFeedNotifyFailed, Message = "the other controllers could not be notified of changes; they find them by their polls: {Reason}")]
    private partial void LogNotifyFailed(LogLevel level, string reason, Exception? error);
}
