using Microsoft.Extensions.Logging;

namespace Plane.DroneHost.Guard;

/// <summary>
/// One lease as the guard sees it. Its file is read when it appears and again when the deadline known so far has come: deadlines only move later, so what was read
/// before is never too late. Once ended it stays ended: a mark is final.
/// </summary>
internal sealed partial class GuardedLease(BackendIdentity backend, GuardParts parts)
{
    /// <summary>How long a file that can't be read may stay so: its agent is to write it whole, and an operator's mistake is not to end sessions within a blink.</summary>
    private const long UnreadableFor = 2_000;

    private static readonly TimeSpan Again = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan AgainSoon = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan AgainLater = TimeSpan.FromSeconds(1);

    private readonly string _file = parts.Directory.LeaseOf(backend);
    private readonly string _mark = parts.Directory.MarkOf(backend);

    // Of what goes wrong while it is ended, several times a second while an engine is unavailable. The ending alone uses it.
    private readonly Outage _outage = new(parts.Time);
    private LeaseFile? _lease;
    private long? _unreadableSince;
    private bool _isForeign;
    private Task? _ending;

    public BackendIdentity Backend => backend;

    /// <summary>Whether nothing is left to do: it has been gone for long enough, or is not ours.</summary>
    public bool IsDone => _isForeign || _ending is { IsCompletedSuccessfully: true };

    /// <summary>Whether its lease is still on disk.</summary>
    public bool Exists => File.Exists(_file);

    public Task Ending => _ending ?? Task.CompletedTask;

    /// <summary>Compares it with a reading of the lease clock.</summary>
    public void Look(long now, CancellationToken stopping)
    {
        if (_ending is not null)
        {
            return;
        }

        if (_lease is null || IsDue(_lease, now))
        {
            Read(now);
        }

        if (_isForeign)
        {
            return;
        }

        var why = _lease is { } lease
            ? lease.Boot != parts.Clock.BootId ? "it is of another boot" : now >= lease.HardAt ? "its hard deadline has passed" : null
            : _unreadableSince is { } since && now - since >= UnreadableFor ? "its lease cannot be read" : null;
        why ??= File.Exists(_mark) ? "it was being ended before" : null;
        if (why is not null)
        {
            _ending = Task.Run(() => EndAsync(why, stopping), CancellationToken.None);
        }
    }

    /// <summary>Its agent has let go of it: nothing of it can run or start any more.</summary>
    public void Released()
    {
        try
        {
            File.Delete(_mark);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            LogNotMarked(parts.Logger, backend.Backend, e.Message);
        }
    }

    private bool IsDue(LeaseFile lease, long now) => now >= lease.HardAt || lease.Boot != parts.Clock.BootId;

    private void Read(long now)
    {
        var read = LeaseFile.Read(_file, backend, parts.Clock, out var problem);
        if (read is not null)
        {
            var foreign = parts.Directory.ReadOwners() is { Count: > 0 } owners && !owners.Contains(read.Instance);
            if (foreign && !_isForeign)
            {
                LogForeign(parts.Logger, backend.Backend, read.Instance, _file);
            }

            (_lease, _unreadableSince, _isForeign) = (read, null, foreign);
        }
        else if (problem is not null && _lease is null && _unreadableSince is null)
        {
            // Where it was read before, what it said then counts.
            LogUnreadable(parts.Logger, _file, problem);
            _unreadableSince = now;
        }
    }

    /// <summary>Marks it, ends it, and again until it has been gone for long enough or its agent has let go of it.</summary>
    private async Task EndAsync(string why, CancellationToken stopping)
    {
        LogEnding(parts.Logger, backend.Backend, why);
        long? goneSince = null;
        var marked = false;
        var endings = 0;
        while (true)
        {
            marked = marked || Mark();

            // The process may have been added since.
            var lease = LeaseFile.Read(_file, backend, parts.Clock, out _) ?? _lease;
            var gone = await TryEndAsync(lease, stopping);
            var now = parts.Time.GetTimestamp();
            if (!gone)
            {
                goneSince = null;
            }
            else if (goneSince is null)
            {
                LogGone(parts.Logger, backend.Backend);
                goneSince = now;
                _outage.End();
            }
            else if (parts.Time.GetElapsedTime(goneSince.Value, now) >= parts.GoneFor)
            {
                return;
            }

            if (!Exists)
            {
                return;
            }

            var wait = gone ? goneSince == now || !marked ? Again : AgainLater : ++endings < 10 ? AgainSoon : Again;
            await Task.Delay(wait, parts.Time, stopping);
        }
    }

    private async Task<bool> TryEndAsync(LeaseFile? lease, CancellationToken stopping)
    {
        try
        {
            return await parts.Ender.EndAsync(backend, lease, parts.Directory.ReadOwners(), _outage, stopping);
        }
        catch (Exception e) when (!stopping.IsCancellationRequested)
        {
            // Nothing that happens over one backend may keep it, or another, from being ended: it is tried again at once.
            if (_outage.ShouldLog(e.Message))
            {
                LogFailed(parts.Logger, e, backend.Backend);
            }

            return false;
        }
    }

    private bool Mark()
    {
        try
        {
            using var mark = new FileStream(_mark, FileMode.OpenOrCreate, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete, 0);
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Without the mark a start that is under way is not kept from happening; it is ended after, as long as this continues.
            if (_outage.ShouldLog(e.Message))
            {
                LogNotMarked(parts.Logger, backend.Backend, e.Message);
            }

            return false;
        }
    }

    [LoggerMessage(EventIds.GuardedLeaseEnding, LogLevel.Warning, "{Backend} is ended: {Why}")]
    private static partial void LogEnding(ILogger logger, BackendName backend, string why);

    [LoggerMessage(EventIds.GuardedLeaseGone, LogLevel.Information, "{Backend} is gone")]
    private static partial void LogGone(ILogger logger, BackendName backend);

    [LoggerMessage(EventIds.GuardedLeaseUnreadable, LogLevel.Error, "Lease file {File} is invalid: {Reason}. The guard ends its backend unless the agent rewrites the file")]
    private static partial void LogUnreadable(ILogger logger, string file, string reason);

    [LoggerMessage(EventIds.GuardedLeaseForeign, LogLevel.Error, "Lease file {File} of backend {Backend} belongs to drone instance {Instance}, which does not use this run directory. It is ignored. Use one --run-dir for each drone")]
    private static partial void LogForeign(ILogger logger, BackendName backend, string instance, string file);

    [LoggerMessage(EventIds.GuardedLeaseFailed, LogLevel.Error, "Ending backend {Backend} failed. The guard retries")]
    private static partial void LogFailed(ILogger logger, Exception e, BackendName backend);

    [LoggerMessage(EventIds.GuardedLeaseNotMarked, LogLevel.Error, "The guard's end mark of backend {Backend} cannot be written or removed: {Reason}. Check space and permissions of the run directory")]
    private static partial void LogNotMarked(ILogger logger, BackendName backend, string reason);
}

/// <summary>What every guarded lease works with.</summary>
internal sealed record GuardParts(RunDirectory Directory, ProcessReaper Ender, ILeaseClock Clock, TimeProvider Time, TimeSpan GoneFor, ILogger Logger);
