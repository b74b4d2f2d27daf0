using System.Globalization;
using System.Text.Json;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging;
using Plane.Hosting;

namespace Plane.Drone.State;

/// <summary>
/// All that survives the agent, in its own words: who it is, the backends, the actions applied, the events to report. Each writing member is one durable
/// transaction (<see cref="StateWriter"/>).
/// </summary>
internal sealed class DurableState : IAsyncDisposable
{
    /// <summary>How many ends of unknown backends are remembered; their spawns follow within seconds or never.</summary>
    private const int MaxRememberedEnds = 10_000;

    private const string InstallationKey = "installation_id";
    private const string LastActionKey = "last_action";
    private const string PortCursorKey = "port_cursor";
    private const string NumbersKey = "lease_numbers";
    private const string RunDirectoryKey = "run_directory";

    private readonly StateFileLock _lock;
    private readonly StateWriter _writer;

    private DurableState(StateFileLock fileLock, StateWriter writer)
    {
        _lock = fileLock;
        _writer = writer;
    }

    public required ClusterName Cluster { get; init; }

    public required DroneName Name { get; init; }

    /// <summary>Random, made with the file: tells this drone come back from another one under its name.</summary>
    public required string InstanceId { get; init; }

    /// <summary>The installation that the backends belong to, once registered.</summary>
    public string? InstallationId { get; private set; }

    /// <summary>The number of the last action applied.</summary>
    public long LastAction { get; private set; }

    /// <summary>The port that was given last.</summary>
    public int PortCursor { get; private init; }

    /// <summary>The run directory of the last agent: its leases stand there.</summary>
    public string? RunDirectory { get; private set; }

    /// <summary>The lease numbers of the last registration; the defaults before the first.</summary>
    public LeaseNumbers Numbers { get; private set; } = new();

    public StateWriter Writer => _writer;

    /// <summary>Raised after events were put into the outbox.</summary>
    public event Action? OutboxGrew;

    /// <summary>Opens or makes the file.</summary>
    /// <exception cref="StartRefusedException">It is in use, damaged, foreign, or of another drone.</exception>
    public static async Task<DurableState> OpenAsync(DroneOptions options, TimeProvider time, ILogger logger)
    {
        var path = Path.GetFullPath(options.StateFile);
        StateFileLock? fileLock = null;
        StateWriter? writer = null;
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            fileLock = StateFileLock.Take(path);
            writer = new StateWriter(StateFile.Open(path), time, logger);
            var meta = await writer.DoAsync((c, t) => ReadOrMakeIdentity(c, t, options));
            return new DurableState(fileLock, writer)
            {
                Cluster = ClusterName.Parse(Own(meta, "cluster", options.Cluster.ToLowerInvariant(), path)),
                Name = DroneName.Parse(Own(meta, "name", options.Name, path)),
                InstanceId = meta["instance_id"],
                InstallationId = meta.GetValueOrDefault(InstallationKey),
                LastAction = long.Parse(meta.GetValueOrDefault(LastActionKey, "0"), CultureInfo.InvariantCulture),
                RunDirectory = meta.GetValueOrDefault(RunDirectoryKey),
                PortCursor = int.Parse(meta.GetValueOrDefault(PortCursorKey, "0"), CultureInfo.InvariantCulture),
                Numbers = meta.TryGetValue(NumbersKey, out var json) ? JsonSerializer.Deserialize<LeaseNumbers>(json, PlaneJson.Http)! : new LeaseNumbers(),
            };
        }
        catch (Exception e)
        {
            if (writer is not null)
            {
                await writer.DisposeAsync();
            }

            fileLock?.Dispose();
            if (e is StartRefusedException)
            {
                throw;
            }

            throw new StartRefusedException($"the state file {path} cannot be used: {e.Message}", ExitCodes.Usage);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _writer.DisposeAsync();
        _lock.Dispose();
    }

    /// <summary>Binds the drone to an installation and keeps its lease numbers.</summary>
    public async Task StoreRegistrationAsync(string installationId, LeaseNumbers numbers)
    {
        if (installationId == InstallationId && numbers == Numbers)
        {
            return;
        }

        await _writer.DoAsync((c, t) =>
        {
            SetMeta(c, t, InstallationKey, installationId);
            SetMeta(c, t, NumbersKey, JsonSerializer.Serialize(numbers, PlaneJson.Http));
            return true;
        });
        InstallationId = installationId;
        Numbers = numbers;
    }

    /// <summary>Remembers where the leases are.</summary>
    public async Task StoreRunDirectoryAsync(string directory)
    {
        if (directory == RunDirectory)
        {
            return;
        }

        await _writer.DoAsync((c, t) =>
        {
            SetMeta(c, t, RunDirectoryKey, directory);
            return true;
        });
        RunDirectory = directory;
    }

    /// <summary>All backends: those that have not ended, and those that ended a while ago.</summary>
    public Task<List<BackendRow>> ReadBackendsAsync() => _writer.ReadAsync((c, t) =>
    {
        using var command = Sql.Command(c, t, BackendRows.Select);
        return BackendRows.Read(command);
    });

    /// <summary>
    /// Applies actions in the order of their numbers, all in one commit. A spawn whose end came before it is answered with a <c>terminated</c> event; so is one
    /// that this drone cannot run.
    /// </summary>
    /// <param name="actions">The actions, in order, none with a number up to <see cref="LastAction"/> that was not applied.</param>
    /// <param name="refusal">Why a spawn cannot be carried out here, or null.</param>
    public async Task<List<AppliedAction>> ApplyActionsAsync(IReadOnlyList<DroneAction> actions, Func<SpawnOrder, string?> refusal)
    {
        var before = LastAction;
        var applied = await _writer.DoAsync((c, t) =>
        {
            var result = new List<AppliedAction>(actions.Count);
            foreach (var action in actions)
            {
                result.Add(action.Number <= before ? new AppliedAction(action, ActionEffect.Repeated, null) : ActionRows.Apply(c, t, action, refusal));
            }

            Sql.Execute(
                c, t, "delete from remembered_ends where number <= (select number from remembered_ends order by number desc limit 1 offset $max)", ("$max", MaxRememberedEnds));
            SetMeta(c, t, LastActionKey, Math.Max(before, actions[^1].Number).ToString(CultureInfo.InvariantCulture));
            return result;
        });
        LastAction = Math.Max(before, actions[^1].Number);
        if (applied.Any(a => a.Effect == ActionEffect.SpawnRefused))
        {
            OutboxGrew?.Invoke();
        }

        return applied;
    }

    /// <summary>Records a step: row and event in one commit.</summary>
    public async Task RecordAsync(StateChange change)
    {
        await _writer.DoAsync((c, t) =>
        {
            BackendRows.Apply(c, t, change);
            if (change.Port is { } port)
            {
                SetMeta(c, t, PortCursorKey, port.ToString(CultureInfo.InvariantCulture));
            }

            OutboxRows.Add(c, t, OutboxRows.ToEvent(change));
            return true;
        });
        OutboxGrew?.Invoke();
    }

    /// <summary>Stores what renewals answered: later deadlines, refusals. One commit for a whole batch.</summary>
    public Task StoreLeasesAsync(IReadOnlyList<(BackendIdentity Identity, LeaseDeadlines? Deadlines, bool Refused)> leases) => _writer.DoAsync((c, t) =>
    {
        BackendRows.StoreLeases(c, t, leases);
        return true;
    });

    /// <summary>The oldest events of the outbox, in order.</summary>
    public Task<List<StateEvent>> ReadOutboxAsync(int limit) => _writer.ReadAsync((c, t) => OutboxRows.Read(c, t, limit));

    /// <summary>Removes acknowledged events.</summary>
    public Task RemoveFromOutboxAsync(IReadOnlyCollection<long> sequences) => _writer.DoAsync((c, t) =>
    {
        OutboxRows.Remove(c, t, sequences);
        return true;
    });

    /// <summary>
    /// Forgets backends that ended so long ago that their ports have rested, and whose last event was acknowledged. Those of another boot are counted from this
    /// boot's start.
    /// </summary>
    public Task<int> ForgetEndedAsync(long endedBefore, string boot) => _writer.DoAsync((c, t) => Sql.Execute(
        c,
        t,
        """
        delete from backends
        where status = $terminated and (case when stop_boot = $boot then ended_at else 0 end) < $before
            and not exists (select 1 from outbox o where o.backend = backends.backend and o.token = backends.token)
        """,
        ("$terminated", (int)BackendStatus.Terminated),
        ("$boot", boot),
        ("$before", endedBefore)));

    private static Dictionary<string, string> ReadOrMakeIdentity(SqliteConnection c, SqliteTransaction t, DroneOptions options)
    {
        foreach (var (key, value) in (ReadOnlySpan<(string, string)>)
            [
                ("cluster", ClusterName.Parse(options.Cluster).Value),
                ("name", options.Name ?? DroneName.NewRandom().Value),
                ("instance_id", RandomText.Name("di-")),
            ])
        {
            Sql.Execute(c, t, "insert into meta (key, value) values ($key, $value) on conflict do nothing", ("$key", key), ("$value", value));
        }

        using var command = Sql.Command(c, t, "select key, value from meta");
        using var reader = command.ExecuteReader();
        var meta = new Dictionary<string, string>();
        while (reader.Read())
        {
            meta[reader.GetString(0)] = reader.GetString(1);
        }

        return meta;
    }

    private static string Own(Dictionary<string, string> meta, string key, string? asked, string path) =>
        asked is null || asked == meta[key]
            ? meta[key]
            : throw new StartRefusedException(
                $"the state file {path} belongs to {key} {meta[key]}, not {asked}: give each drone a state file of its own", ExitCodes.Usage);

    private static void SetMeta(SqliteConnection c, SqliteTransaction t, string key, string value) => Sql.Execute(
        c, t, "insert into meta (key, value) values ($key, $value) on conflict (key) do update set value = excluded.value", ("$key", key), ("$value", value));
}
