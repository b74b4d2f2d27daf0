using System.Globalization;
using Microsoft.Extensions.Logging.Abstractions;
using Plane.Simulation;
using Plane.Simulation.Core;
using Plane.Simulation.Store;
using Plane.Storage;
using Plane.Storage.Sqlite;
using Plane.Tests.Storage;
using Plane.Testing;

namespace Plane.Tests.SimulationTests;

/// <summary>A model store and a real one with one clock, to which the same is done. Identities differ only in the tokens that each draws.</summary>
internal sealed class StorePair : IAsyncDisposable
{
    private const int Keys = 3;
    private const int Drones = 2;

    // The last of the keys is a service's, and behind it is the one place of its pool.
    private const int ServiceKey = Keys - 1;
    private const int PoolPlace = Keys;
    private static readonly ServiceName s_board = ServiceName.Parse("board");
    private static readonly ClusterName s_cluster = ClusterName.Parse("example.com");
    private static readonly ControllerName s_controller = ControllerName.Parse("co-test");

    private readonly TempDirectory _directory = new();
    private readonly ManualLeaseClock _clock = new();
    private readonly Prng _chance;
    private readonly ModelStore _model;
    private readonly SqliteStore _real;
    private readonly History _history = new();
    private readonly List<(ResolvedConnect Command, int Key, long Number)> _commands = [];
    private readonly List<(BackendIdentity Model, BackendIdentity Real)> _identities = [];
    private readonly long[] _sessions = new long[Drones];
    private long _reading = 5_000;
    private long _version;

    private StorePair(ulong seed)
    {
        _chance = new Prng(seed);
        _model = new ModelStore(new Scheduler(_chance), new LeaseOptions(), Bug.None, () => _clock.Milliseconds, _history, Keys, Drones, pool: 1);
        _real = new SqliteStore(_directory["plane.db"], new LeaseOptions(), NullLoggerFactory.Instance, TimeProvider.System, _clock);
    }

    public List<string> Done { get; } = [];

    public static async Task<StorePair> OpenAsync(ulong seed)
    {
        var pair = new StorePair(seed);
        await pair._real.InitializeAsync(default);
        var config = new ServiceConfig
        {
            SpawnConfig = new SpawnConfig { Executable = new Executable { Command = ["board"] } },
            Access = new ServiceAccess { Kind = ServiceAccessKind.Public },
            Warm = new WarmConfig { Count = 1 },
        };
        pair._version = (await pair._real.PutServiceAsync(s_board, config, default)).Service!.Version;
        return pair;
    }

    public async ValueTask DisposeAsync()
    {
        await _real.DisposeAsync();
        _directory.Dispose();
    }

    /// <summary>Does something to both.</summary>
    public async Task<(string What, string Model, string Real)> NextAsync()
    {
        var drone = _chance.Below(Drones);
        var key = _chance.Below(Keys);
        switch (_chance.Below(32))
        {
            case 24:
            case 25:
            case 26:
                return await AcquireAsync(drone, PoolPlace);
            case 27:
            case 28:
                return await WarmAsync(drone);
            case 29:
            case 30:
            case 31:
                return await ClaimAsync();
            case 0:
                var by = _chance.Pick<long>(1, 3_000, 8_000, 25_000, 61_000);
                _clock.Advance(TimeSpan.FromMilliseconds(by));
                _reading += by;
                return ("advance", "", "");
            case 1:
                return await RegisterAsync(drone);
            case 2:
            case 3:
            case 4:
                return await HeartbeatAsync(drone);
            case 5:
            case 6:
            case 7:
            case 8:
                return await AcquireAsync(drone, key);
            case 9:
            case 10:
            case 11:
                return await RenewAsync();
            case 12:
            case 13:
                return await IssueAsync(key);
            case 14:
                return await PreventAsync();
            case 15:
                return await DrainAsync(drone);
            case 16:
                return await TerminateAsync();
            case 17:
            case 18:
            case 19:
                return await ApplyAsync(drone);
            case 20:
                return await ActionsAsync(drone);
            case 21:
                return await AcknowledgeAsync(drone);
            case 22:
                Run(tx => _model.SweepLost(tx, new Box<int?>()));
                await _real.SweepLostAsync(default);
                return await IssueAsync(key);
            default:
                Run(tx => _model.CleanUp(tx, 10_000));
                await _real.CleanUpAsync(TimeSpan.FromSeconds(10), TimeSpan.FromHours(1), default);
                return await IssueAsync(key);
        }
    }

    private static DroneName Drone(int drone) => DroneName.Parse(drone == 0 ? "dr-one" : "dr-two");

    private KeyConfig Key(int key)
    {
        var config = new KeyConfig { Name = string.Create(CultureInfo.InvariantCulture, $"key-{key}") };
        return key switch { ServiceKey => ServiceKeys.Within(s_board, config), PoolPlace => PoolKey.Of(s_board, _version, s_cluster, 0), _ => config };
    }

    private static DroneSession Session(int drone, long number) => new(s_cluster, Drone(drone), number);

    private async Task<(string, string, string)> RegisterAsync(int drone)
    {
        var instance = $"i-{drone}-{_chance.Below(2)}";
        var session = new Box<long>();
        Run(tx => _model.Register(tx, drone, new Registering(instance, "boot", _reading, 2, true, 0, []), session));
        var reply = await _real.RegisterDroneAsync(
            new DroneRegistration
            {
                Cluster = s_cluster,
                Name = Drone(drone),
                Pool = "",
                InstanceId = instance,
                BootId = "boot",
                Reading = _reading,
                Kinds = [ExecutorKind.Process],
                MaxBackends = 2,
                Version = "1",
                Ready = true,
            },
            s_controller,
            default);
        _sessions[drone] = session.Value > 0 ? session.Value : _sessions[drone];
        return ($"register {drone} {instance}", $"{session.Value}", $"{reply.Session?.Number ?? 0}");
    }

    private async Task<(string, string, string)> HeartbeatAsync(int drone)
    {
        var number = SomeSession(drone);
        var reading = _reading - _chance.Pick<long>(0, 0, 4_000);
        var state = new Box<SessionState>();
        Run(tx => _model.Heartbeat(tx, drone, number, "i", "boot", reading, true, state));
        var real = await _real.HeartbeatDroneAsync(
            new DroneHeartbeat { Session = Session(drone, number), InstanceId = "i", BootId = "boot", Reading = reading, Ready = true, TakesClaims = true }, s_controller, default);
        return ($"heartbeat {drone} {number}", $"{state.Value}", $"{real}");
    }

    private async Task<(string, string, string)> AcquireAsync(int drone, int key)
    {
        // Sometimes the same request again, sometimes another with an id that somebody chose before.
        var again = _commands.Count > 0 && _chance.Percent(15) ? _commands[_chance.Below(_commands.Count)] : default;
        if (again.Command is null)
        {
            BackendName? chosen = key != PoolPlace && _chance.Percent(30) ? BackendName.Parse(string.Create(CultureInfo.InvariantCulture, $"own-{_chance.Below(3)}")) : null;
            var command = new ResolvedConnect
            {
                Key = Key(key),
                BackendId = chosen ?? BackendName.NewRandom(),
                BackendIdIsChosen = chosen is not null,
                Spawn = new SpawnConfig { Id = chosen, Executable = new Executable { Command = ["board"] } },
                Cluster = s_cluster,
                Token = BearerToken.NewRandom(),
                SecretToken = RandomText.Secret(),
                Service = key >= ServiceKey ? s_board : null,
                ServiceVersion = key >= ServiceKey ? _version : null,
            };
            again = (command, key, _commands.Count + 1);
            _commands.Add(again);
        }

        var (asked, itsKey, its) = again;
        var model = new Acquisition
        {
            Name = asked.BackendId,
            Chosen = asked.BackendIdIsChosen,
            Key = itsKey,
            Drone = drone,
            Command = its,
        };
        Run(tx => _model.Acquire(tx, model));
        var real = await _real.AcquireAsync(new AcquireRequest { Command = asked, Cluster = s_cluster, Drone = Drone(drone) }, default);
        if (real is { Outcome: AcquireOutcome.Acquired, Holder: { } holder } && model is { Outcome: AcquireOutcome.Acquired, Holder: { } own }
            && !_identities.Exists(i => i.Model == own.Identity))
        {
            _identities.Add((own.Identity, holder.Identity));
        }

        return (
            $"acquire {asked.BackendId} key {itsKey} drone {drone}",
            $"{model.Outcome} {Named(model.Outcome, model.Holder?.Name, model.Holder?.Status)}",
            $"{real.Outcome} {Named(real.Outcome, real.Holder?.Identity.Backend, real.Holder?.Status)}");
    }

    private async Task<(string, string, string)> WarmAsync(int drone)
    {
        var identity = Some();
        if (_chance.Percent(80) && _model.Key(PoolPlace) is { } held && _model.Find(held.Backend) is { } pooled && _identities.Exists(i => i.Model == pooled.Identity))
        {
            // Mostly the one that is started for the pool, by its own drone.
            (drone, identity) = (pooled.Drone, _identities.Find(i => i.Model == pooled.Identity));
        }

        var number = SomeSession(drone);
        var state = new Box<SessionState>();
        Run(tx => _model.ApplyStates(tx, drone, number, [new Event(1, identity.Model, BackendStatus.Waiting, null, IsWarm: true)], state, new bool[1]));
        var reply = await _real.ApplyStatesAsync(
            Session(drone, number), [new StateEvent { Sequence = 1, Identity = identity.Real, Status = BackendStatus.Waiting, Address = "127.0.0.1:1", IsWarm = true }], default);
        return ($"warm {identity.Model.Backend} drone {drone} {number}", $"{state.Value}", $"{reply.Session}");
    }

    private async Task<(string, string, string)> ClaimAsync()
    {
        var command = new ResolvedConnect
        {
            Key = Key(ServiceKey),
            BackendId = BackendName.NewRandom(),
            Cluster = s_cluster,
            Token = BearerToken.NewRandom(),
            SecretToken = RandomText.Secret(),
            Service = s_board,
            ServiceVersion = _version,
        };
        var model = new Claiming { Key = ServiceKey, Command = -1 };
        Run(tx => _model.Claim(tx, model));
        var real = await _real.ClaimAsync(new ClaimRequest { Command = command, Cluster = s_cluster }, default);
        if (real is { Outcome: AcquireOutcome.Acquired, Holder: { } holder } && model is { Outcome: AcquireOutcome.Acquired, Holder: { } own })
        {
            _identities.Add((own.Identity, holder.Identity));
        }

        return (
            "claim",
            $"{model.Outcome} {Named(model.Outcome, model.Holder?.Name, model.Holder?.Status)}",
            $"{real.Outcome} {Named(real.Outcome, real.Holder?.Identity.Backend, real.Holder?.Status)}");
    }

    private async Task<(string, string, string)> RenewAsync()
    {
        var identity = Some();
        var outcomes = new RenewalOutcome[1];
        Run(tx => _model.Renew(tx, [identity.Model], outcomes));
        var real = await _real.RenewAsync([identity.Real], default);
        return ($"renew {identity.Model.Backend}", $"{outcomes[0]}", $"{real[0]}");
    }

    private async Task<(string, string, string)> IssueAsync(int key)
    {
        StoredBackend? holder = null;
        Run(tx =>
        {
            holder = _model.LiveHolder(tx, key);
            return null;
        });
        var real = (await _real.IssueTokensAsync([new TokenRequest(Key(key), BearerToken.NewRandom().Hash(), "secret", null, null)], default))[0];
        return (
            $"issue key {key}",
            holder is null ? "NotHeld  " : $"Issued {holder.Name} {holder.Status}",
            $"{real.Outcome} {real.Holder?.Identity.Backend} {real.Holder?.Status}");
    }

    private async Task<(string, string, string)> PreventAsync()
    {
        var identity = Some();
        var outcome = new Box<ChangeOutcome>();
        Run(tx => _model.Prevent(tx, identity.Model.Backend, outcome));
        return ($"prevent {identity.Model.Backend}", $"{outcome.Value}", $"{await _real.PreventRenewalAsync(identity.Real.Backend, default)}");
    }

    private async Task<(string, string, string)> DrainAsync(int drone)
    {
        var (draining, terminate) = (_chance.Percent(30), _chance.Percent(20));
        var outcome = new Box<int>();
        Run(tx => _model.SetDraining(tx, drone, draining, terminate, outcome));
        return ($"drain {drone} {draining} {terminate}", Change(outcome.Value), $"{await _real.SetDrainingAsync(s_cluster, Drone(drone), draining, terminate, default)}");
    }

    private async Task<(string, string, string)> TerminateAsync()
    {
        var identity = Some();
        var kind = _chance.Pick(TerminationKind.Soft, TerminationKind.Hard);
        var queued = new Box<int>();
        Run(tx => _model.Terminate(tx, identity.Model.Backend, kind, TerminationReason.External, queued));
        return (
            $"terminate {identity.Model.Backend} {kind}",
            Change(queued.Value),
            $"{await _real.TerminateAsync(identity.Real.Backend, null, kind, TerminationReason.External, default)}");
    }

    private async Task<(string, string, string)> ApplyAsync(int drone)
    {
        var number = SomeSession(drone);
        var identity = Some();
        var status = _chance.Pick(
            BackendStatus.Loading, BackendStatus.Starting, BackendStatus.Waiting, BackendStatus.Ready, BackendStatus.Terminating, BackendStatus.Terminated);
        var state = new Box<SessionState>();
        var known = _model.Find(identity.Model.Backend) is { } b && b.IsNamed(identity.Model) && b.Drone == drone ? b : null;
        TerminationReason? reason = status == BackendStatus.Terminated ? TerminationReason.External : null;
        Run(tx => _model.ApplyStates(tx, drone, number, [new Event(1, identity.Model, status, reason)], state, new bool[1]));
        var reply = await _real.ApplyStatesAsync(
            Session(drone, number), [new StateEvent { Sequence = 1, Identity = identity.Real, Status = status, Address = "127.0.0.1:1", TerminationReason = reason }], default);

        // A state that was applied before counts as applied.
        var counts = state.Value == SessionState.Current ? $"{known is not null && _history.Has(known.Identity, status)}" : "";
        return (
            $"apply {identity.Model.Backend} {status} drone {drone} {number}",
            $"{state.Value}:{counts}",
            $"{reply.Session}:{(reply.Acks is [var ack] ? $"{ack.Applied}" : "")}");
    }

    private async Task<(string, string, string)> ActionsAsync(int drone)
    {
        var number = SomeSession(drone);
        var after = _chance.Below(6);
        var state = SessionState.Unknown;
        Run(tx =>
        {
            state = _model.Session(tx, drone, number);
            return null;
        });
        var model = state == SessionState.Current ? _model.Actions(drone, after) : [];
        var page = await _real.ReadActionsAsync(Session(drone, number), after, 1_000, default);
        return (
            $"actions {drone} {number} after {after}",
            $"{state} {string.Join(", ", model.Select(a => $"{a.Number} {a.Identity.Backend} {a.Spawn?.HardAt} {(a.StartToken > 0 ? "claim" : a.Spawn is null ? $"{a.Kind}" : "")}"))}",
            $"{page.Session} {string.Join(", ", page.Actions.Select(a => $"{a.Number} {a.Identity.Backend} {a.Spawn?.Deadlines.HardAt} {(a.Claim is null ? $"{a.Terminate?.Kind}" : "claim")}"))}");
    }

    private async Task<(string, string, string)> AcknowledgeAsync(int drone)
    {
        var number = SomeSession(drone);
        var upTo = _chance.Below(12);
        var state = SessionState.Unknown;
        Run(tx =>
        {
            state = _model.Acknowledge(tx, drone, number, upTo);
            return null;
        });
        return ($"acknowledge {drone} {number} {upTo}", $"{state}", $"{await _real.AcknowledgeActionsAsync(Session(drone, number), upTo, default)}");
    }

    private static string Named(AcquireOutcome outcome, BackendName? name, BackendStatus? status) =>
        outcome is AcquireOutcome.Acquired or AcquireOutcome.Held ? $"{name} {status}" : "";

    private static string Change(int outcome) => $"{(outcome switch { < 0 => ChangeOutcome.NotFound, 0 => ChangeOutcome.Unchanged, _ => ChangeOutcome.Changed })}";

    private long SomeSession(int drone) => Math.Max(0, _sessions[drone] - (_chance.Percent(15) ? 1 : 0));

    /// <summary>Mostly one of the last, sometimes one that never was.</summary>
    private (BackendIdentity Model, BackendIdentity Real) Some()
    {
        if (_identities.Count == 0 || _chance.Percent(5))
        {
            var unknown = new BackendIdentity(BackendName.Parse("nobody"), new FencingToken(7));
            return (unknown, unknown);
        }

        var from = Math.Max(0, _identities.Count - 5);
        return _identities[_chance.Percent(80) ? from + _chance.Below(_identities.Count - from) : _chance.Below(_identities.Count)];
    }

    /// <summary>One transaction alone: nothing to wait for.</summary>
    private void Run(Func<Tx, IEnumerator<Wait>?> body)
    {
        var tx = _model.Begin();
        if (body(tx) is { } steps)
        {
            Drain(steps);
        }

        tx.Commit();

        static void Drain(IEnumerator<Wait> steps)
        {
            while (steps.MoveNext())
            {
                Assert.Null(steps.Current.Gate);
                if (steps.Current.Call is { } call)
                {
                    Drain(call);
                }
            }
        }
    }

    private sealed class History : IStoreObserver
    {
        private readonly HashSet<(BackendIdentity, BackendStatus)> _stored = [];

        public bool Has(BackendIdentity identity, BackendStatus status) => _stored.Contains((identity, status));

        public void Acquired(StoredBackend backend) => _stored.Add((backend.Identity, backend.Status));

        public void Claimed(StoredBackend backend, int from)
        {
            var start = backend.Identity with { Token = new FencingToken(backend.StartToken) };
            foreach (var status in Enum.GetValues<BackendStatus>().Where(s => Has(start, s)))
            {
                _stored.Add((backend.Identity, status));
            }
        }

        public void StatusStored(StoredBackend backend) => _stored.Add((backend.Identity, backend.Status));

        public void KeyFreed(int key, BackendName backend, long token)
        {
            // Nothing here is asked about keys.
        }

        public Action RenewalBegun(BackendName backend, long token) => static () => { };
    }
}
