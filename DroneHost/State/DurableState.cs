using System.Globalization;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Plane.Files;
using Plane.Hosting.Running;
using Plane.Hosting;

namespace Plane.DroneHost.State;

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

    private readonly StateWriter _writer;

    private DurableState(StateWriter writer) => _writer = writer;

    public required ClusterName Cluster { get; init; }

    public required DroneName Name { get; init; }

    /// <summary>Random, made with the file: tells this drone come back from another one under its name.</summary>
    public required string InstanceId { get; init; }

    /// <summary>The installation that the backends belong to, once registered.</summary>
    public string? InstallationId { get; private set; }

    /// <summary>The number of the last action applied.</summary>
    public long LastAction { get; private set; }

    /// <summary>Whether it is known that a power failure can't take back what was applied.</summary>
    public bool ActionsAreDurable { get; private set; }

    /// <summary>The port that was given last.</summary>
    public int PortCursor { get; private init; }

    /// <summary>The run directory of the last agent: its leases are there.</summary>
    public string? RunDirectory { get; private set; }

    /// <summary>The lease numbers of the last registration; the defaults before the first.</summary>
    public LeaseOptions Numbers { get; private set; } = new();

    public StateWriter Writer => _writer;

    /// <summary>Raised after events were put into the outbox.</summary>
    public event Action? OutboxGrew;

    /// <summary>Opens or makes the file.</summary>
    /// <exception cref="StartRefusedException">It is in use, damaged, foreign, or of another drone.</exception>
    public static async Task<DurableState> OpenAsync(DroneOptions options, TimeProvider time, ILogger logger)
    {
        var path = Path.GetFullPath(options.StateFile);
        var writer = new StateWriter(path, time, logger);
        try
        {
            await writer.OpenAsync();
            var meta = await writer.WriteAsync(s => ReadOrMakeIdentity(s, options));
            return new DurableState(writer)
            {
                Cluster = ClusterName.Parse(Own(meta, "cluster", options.Cluster.ToLowerInvariant(), path)),
                Name = DroneName.Parse(Own(meta, "name", options.Name, path)),
                InstanceId = meta["instance_id"],
                InstallationId = meta.GetValueOrDefault(InstallationKey),
                LastAction = long.Parse(meta.GetValueOrDefault(LastActionKey, "0"), CultureInfo.InvariantCulture),
                RunDirectory = meta.GetValueOrDefault(RunDirectoryKey),
                PortCursor = int.Parse(meta.GetValueOrDefault(PortCursorKey, "0"), CultureInfo.InvariantCulture),
                Numbers = meta.TryGetValue(NumbersKey, out var json) ? JsonSerializer.Deserialize<LeaseOptions>(json, PlaneJson.Http)! : new LeaseOptions(),
            };
        }
        catch (Exception e)
        {
            await writer.DisposeAsync();
            throw e as StartRefusedException ?? new StartRefusedException($"the state file {path} cannot be used: {e.Message}", ExitCodes.Usage);
        }
    }

    public ValueTask DisposeAsync() => _writer.DisposeAsync();

    /// <summary>Binds the drone to an installation and keeps its lease numbers.</summary>
    public async Task StoreRegistrationAsync(string installationId, LeaseOptions numbers)
    {
        if (installationId == InstallationId && numbers == Numbers)
        {
            return;
        }

        await _writer.WriteAsync(s =>
            SetMeta(s, InstallationKey, installationId) + SetMeta(s, NumbersKey, JsonSerializer.Serialize(numbers, PlaneJson.Http)));
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

        await _writer.WriteAsync(s => SetMeta(s, RunDirectoryKey, directory));
        RunDirectory = directory;
    }

    /// <summary>All backends: those that have not ended, and those that ended a while ago.</summary>
    public Task<List<BackendRow>> ReadBackendsAsync() => _writer.ReadAsync(BackendRows.ReadAll);

    /// <summary>
    /// Applies actions in the order of their numbers, all in one commit. A spawn whose end came before it is answered with a <c>terminated</c> event; so is one
    /// that this drone cannot run. The commit is durable, but of nothing but claims, which mean nothing after a power failure: those are before they are acknowledged (<see cref="SyncAsync"/>).
    /// </summary>
    /// <param name="actions">The actions, in order, none with a number up to <see cref="LastAction"/> that was not applied.</param>
    /// <param name="refusal">Why a spawn cannot be carried out here, or null.</param>
    public async Task<List<AppliedAction>> ApplyActionsAsync(IReadOnlyList<DroneAction> actions, Func<SpawnOrder, string?> refusal)
    {
        var before = LastAction;
        List<AppliedAction> Write(SqliteDatabase s)
        {
            var result = new List<AppliedAction>(actions.Count);
            foreach (var action in actions)
            {
                result.Add(action.Number <= before ? new AppliedAction(action, ActionEffect.Repeated, null) : ActionRows.Apply(s, action, refusal));
            }

            s.Execute(
                "delete from remembered_ends where number <= (select number from remembered_ends order by number desc limit 1 offset $1)", MaxRememberedEnds);
            SetMeta(s, LastActionKey, Math.Max(before, actions[^1].Number).ToString(CultureInfo.InvariantCulture));
            return result;
        }

        var durable = actions.Any(a => a.Kind != DroneActionKind.Claim);
        var applied = await (durable ? _writer.WriteAsync(Write) : _writer.WriteSoonAsync(Write));
        ActionsAreDurable = durable;
        LastAction = Math.Max(before, actions[^1].Number);
        if (applied.Any(a => a.Effect == ActionEffect.SpawnRefused))
        {
            OutboxGrew?.Invoke();
        }

        return applied;
    }

    /// <summary>Completes when all that was applied is durable. Not while actions are applied.</summary>
    public async Task SyncAsync()
    {
        if (!ActionsAreDurable)
        {
            await _writer.WriteAsync(s => SetMeta(s, LastActionKey, LastAction.ToString(CultureInfo.InvariantCulture)));
            ActionsAreDurable = true;
        }
    }

    /// <summary>Records a step: row and event in one commit.</summary>
    /// <param name="change">The step.</param>
    /// <param name="durable">Whether the next deed depends on it. What a backend has reached says nothing after a power failure, in which all of them ended.</param>
    public async Task RecordAsync(StateChange change, bool durable)
    {
        bool Write(SqliteDatabase s)
        {
            BackendRows.Apply(s, change);
            if (change.Port is { } port)
            {
                SetMeta(s, PortCursorKey, port.ToString(CultureInfo.InvariantCulture));
            }

            OutboxRows.Add(s, change);
            return true;
        }

        await (durable ? _writer.WriteAsync(Write) : _writer.WriteSoonAsync(Write));
        OutboxGrew?.Invoke();
    }

    /// <summary>Stores what renewals answered: later deadlines, refusals. One commit for a whole batch.</summary>
    public Task StoreLeasesAsync(IReadOnlyList<(BackendIdentity Identity, LeaseDeadlines? Deadlines, bool Refused)> leases) =>
        _writer.WriteAsync(s => leases.Sum(l => BackendRows.StoreLease(s, l.Identity, l.Deadlines, l.Refused)));

    /// <summary>The oldest events of the outbox, in order.</summary>
    public Task<List<StateEvent>> ReadOutboxAsync(int limit) => _writer.ReadAsync(s => OutboxRows.Read(s, limit));

    /// <summary>Removes acknowledged events. One that a power failure brings back is sent again.</summary>
    public Task RemoveFromOutboxAsync(IReadOnlyCollection<long> sequences) => _writer.WriteSoonAsync(s => OutboxRows.Remove(s, sequences));

    /// <summary>
    /// Forgets backends that ended so long ago that their ports have rested, and whose last event was acknowledged. Those of another boot are counted from this
    /// boot's start.
    /// </summary>
    public Task<int> ForgetEndedAsync(long endedBefore, string boot) => _writer.WriteAsync(s =>
    {
        var forgotten = s.Execute(
            """
            delete from backends
            where status = $1 and (case when stop_boot = $2 then ended_at else 0 end) < $3
                and not exists (select 1 from outbox o where o.backend = backends.backend and o.token = backends.token)
            """,
            (int)BackendStatus.Terminated,
            boot,
            endedBefore);
        s.Execute("delete from claims where not exists (select 1 from backends b where b.backend = claims.backend and b.token = claims.token)");
        return forgotten;
    });

    private static Dictionary<string, string> ReadOrMakeIdentity(SqliteDatabase s, DroneOptions options)
    {
        foreach (var (key, value) in (ReadOnlySpan<(string, string)>)
            [
                ("cluster", ClusterName.Parse(options.Cluster).Value),
                ("name", options.Name ?? DroneName.NewRandom().Value),
                ("instance_id", RandomText.Name("di-")),
            ])
        {
            s.Execute("insert into meta (key, value) values ($1, $2) on conflict do nothing", key, value);
        }

        return s.Query("select key, value from meta", static r => (r.GetString(0), r.GetString(1))).ToDictionary();
    }

    private static string Own(Dictionary<string, string> meta, string key, string? asked, string path) =>
        asked is null || asked == meta[key]
            ? meta[key]
            : throw new StartRefusedException(
                $"the state file {path} belongs to {key} {meta[key]}, not {asked}: give each drone a state file of its own", ExitCodes.Usage);

    private static int SetMeta(SqliteDatabase s, string key, string value) =>
        s.Execute("insert into meta (key, value) values ($1, $2) on conflict (key) do update set value = excluded.value", key, value);
}
