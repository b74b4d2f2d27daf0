using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging;
using Plane.Files;
using Plane.Hosting.Running;
using Plane.Hosting;

namespace Plane.DroneHost.State;

/// <summary>
/// The thread that owns the state file. Where the file cannot be written, everything that writes fails with <see cref="StateUnavailableException"/>,
/// <see cref="IsWritable"/> turns false, and a write is tried each second until one succeeds. It needs room for a good many states, so that a disk that is full by a
/// hair does not flap.
/// </summary>
internal sealed partial class StateWriter(string path, TimeProvider time, ILogger logger) : SqliteWriter<SqliteDatabase>("plane drone state", logger)
{
    private const int ProbeBytes = 256 * 1024;
    private const string What = "the state file";

    private readonly ILogger _logger = logger;
    private readonly CancellationTokenSource _stop = new();
    private volatile bool _isWritable = true;
    private SqliteFile? _file;
    private Task _probing = Task.CompletedTask;

    /// <summary>Raised on the writer's thread when <see cref="IsWritable"/> changes.</summary>
    public event Action? WritableChanged;

    /// <summary>Whether the last write succeeded.</summary>
    public bool IsWritable => _isWritable;

    /// <summary>Commits so far.</summary>
    public long Commits { get; private set; }

    /// <summary>Called before each commit; a test throws from it what a failing disk would.</summary>
    internal Action? Fault { get; set; }

    public override async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await base.DisposeAsync();
        await _probing;
        _stop.Dispose();
    }

    /// <exception cref="StartRefusedException">Another agent has the file, or it is damaged, of a newer version, or not a drone's.</exception>
    protected override SqliteDatabase Open()
    {
        _file = SqliteFile.TryTake(path, $"pid {Environment.ProcessId}")
            ?? throw new StartRefusedException($"the state file {path} is in use by another drone agent ({SqliteFile.ReadHolder(path)})", ExitCodes.Usage);

        // A full disk keeps the holder's name from being written, not the agent from going on with what it runs.
        if (_file.NameHolder() is { } problem)
        {
            LogUnnamed(SqliteErrors.OfDisk(problem, What));
        }

        // The file holds registry passwords and tokens, and may come from a backup.
        PrivateFile.Restrict(path);
        return StateFile.Open(path);
    }

    protected override void Close() => _file?.Dispose();

    protected override void BeforeCommit(SqliteDatabase session) => Fault?.Invoke();

    protected override void Committed(SqliteDatabase session, bool wrote)
    {
        if (wrote)
        {
            Commits++;
            SetWritable(null);
        }
    }

    protected override Exception Failed(Exception cause, int count, bool wrote)
    {
        var failure = new StateUnavailableException(
            cause is SqliteException error && SqliteErrors.IsUnavailable(error) ? SqliteErrors.Reason(error, What, _file!)
            : $"the state file cannot be written: {cause.Message}",
            cause);
        if (wrote)
        {
            SetWritable(failure);
        }

        return failure;
    }

    protected override Exception Closed(Exception cause) => new StateUnavailableException("the state file is closed", cause);

    private void SetWritable(Exception? failure)
    {
        if (_isWritable == failure is null)
        {
            return;
        }

        _isWritable = failure is null;
        if (failure is null)
        {
            LogWritable();
        }
        else
        {
            LogUnwritable(failure);
            _probing = ProbeAsync(_probing);
        }

        WritableChanged?.Invoke();
    }

    private async Task ProbeAsync(Task before)
    {
        await before;
        while (!_isWritable)
        {
            try
            {
                await Task.Delay(TimeSpan.FromSeconds(1), time, _stop.Token);
                await WriteAloneAsync(
                    static s => s.Execute("insert or replace into probe values (1, zeroblob($1))", ProbeBytes) + s.Execute("delete from probe"), _stop.Token);
            }
            catch (Exception e) when (e is StateUnavailableException or OperationCanceledException)
            {
                if (_stop.IsCancellationRequested)
                {
                    return;
                }

                LogStillUnwritable(e.Message);
            }
        }
    }

    [LoggerMessage(EventIds.StateWriterUnwritable, LogLevel.Error, "The drone cannot write its state file and starts no new backends. Running backends continue. Free disk space or repair permissions")]
    private partial void LogUnwritable(Exception failure);

    [LoggerMessage(EventIds.StateWriterWritable, LogLevel.Information, "The state file can be written again")]
    private partial void LogWritable();

    [LoggerMessage(EventIds.StateWriterUnnamed, LogLevel.Warning, "The file that names the process using the state file cannot be written: {Reason}. This is harmless")]
    private partial void LogUnnamed(string reason);

    [LoggerMessage(EventIds.StateWriterStillUnwritable, LogLevel.Debug, "The state file still cannot be written: {Reason}")]
    private partial void LogStillUnwritable(string reason);
}
