using System.Collections.Concurrent;
using System.Reflection;
using Orleans;
using Orleans.Runtime;
using Plane.Hosting.Cluster;

namespace Plane.Tests.Drone;

/// <summary>
/// A controller in memory that answers drones as the contract says, and otherwise where a test sets a hook. It stands behind an <see cref="IClusterClient"/>; only
/// the two grains that a drone calls are there.
/// </summary>
internal sealed class FakeController : IDroneGrain, ILeaseGrain
{
    private readonly Lock _gate = new();
    private readonly List<DroneAction> _actions = [];
    private long _session;
    private WantedImage[] _wanted = [];
    private string _wantedVersion = "v0";
    private int _wantedNumber;
    private bool _isAway;
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public FakeController() => Connection = new ClusterConnection(ClientProxy.Make(this));

    public ClusterConnection Connection { get; }

    public LeaseOptions Numbers { get; set; } = LeaseOptions.Scaled(0.1);

    public string InstallationId { get; set; } = "in-one";

    /// <summary>While true every call fails as one to a silo that is gone.</summary>
    public bool IsAway
    {
        get => Volatile.Read(ref _isAway);
        set => Volatile.Write(ref _isAway, value);
    }

    /// <summary>Breaks the rule that a call for actions waits.</summary>
    public bool AnswersWaitsAtOnce { get; set; }

    public Func<DroneRegistration, Task<RegistrationReply?>> OnRegister { get; set; } = _ => Task.FromResult<RegistrationReply?>(null);

    public Func<DroneHeartbeat, SessionState?> OnHeartbeat { get; set; } = _ => null;

    public Func<long, ActionPage, ActionPage> OnRead { get; set; } = (_, page) => page;

    public Func<StateEvent, StateAck> OnState { get; set; } = e => new StateAck { Sequence = e.Sequence, Applied = true };

    public Func<RenewalBatch, Task> BeforeRenewal { get; set; } = _ => Task.CompletedTask;

    public Func<RenewalBatch, BackendIdentity, RenewalAnswer?> OnRenew { get; set; } = (_, _) => null;

    public ConcurrentQueue<DroneRegistration> Registrations { get; } = [];

    public ConcurrentQueue<DroneHeartbeat> Heartbeats { get; } = [];

    public ConcurrentQueue<RenewalBatch> Renewals { get; } = [];

    /// <summary>The grain keys of the renewals.</summary>
    public ConcurrentQueue<string> LeaseKeys { get; } = [];

    /// <summary>Every event of every batch, in the order of arrival.</summary>
    public ConcurrentQueue<StateEvent> States { get; } = [];

    public ConcurrentQueue<ImageQuery> ImageQueries { get; } = [];

    public ConcurrentQueue<ImageReport> ImageReports { get; } = [];

    public ConcurrentQueue<long> Acknowledged { get; } = [];

    public ConcurrentQueue<long> Reads { get; } = [];

    public long LastNumber { get; private set; }

    public DroneSession? Session { get; private set; }

    public ManualLeaseClock? Clock { get; set; }

    /// <summary>The instance of the last registration.</summary>
    public string Instance => Registrations.Last().InstanceId;

    public IEnumerable<BackendStatus> StatesOf(BackendIdentity identity) => States.Where(s => s.Identity == identity).Select(s => s.Status);

    public StateEvent? Ended(BackendIdentity identity) => States.FirstOrDefault(s => s.Identity == identity && s.Status == BackendStatus.Terminated);

    /// <summary>Orders a spawn, with deadlines counted from now.</summary>
    public BackendIdentity Spawn(BackendIdentity? identity = null, Func<SpawnOrder, SpawnOrder>? with = null)
    {
        var id = identity ?? NewIdentity();
        var reading = Clock!.Milliseconds;
        var order = new SpawnOrder
        {
            Executable = new Executable { Command = ["backend"] },
            Key = new KeyConfig { Name = id.Backend.Value },
            Deadlines = Numbers.DeadlinesFrom(reading, Registrations.IsEmpty ? "none" : Instance, Clock.BootId),
        };
        Add(n => new DroneAction { Number = n, Identity = id, Kind = DroneActionKind.Spawn, Spawn = with?.Invoke(order) ?? order });
        return id;
    }

    /// <summary>Orders a warm backend.</summary>
    public BackendIdentity SpawnWarm() => Spawn(null, o => o with { Key = new KeyConfig { Namespace = PoolKey.Prefix + "board", Name = "1.0.0" } });

    /// <summary>Claims a warm backend; the result is its identity from then on.</summary>
    public BackendIdentity Claim(BackendIdentity warm, string? path = "/.plane/claim", long more = 1)
    {
        var claimed = warm with { Token = new FencingToken(warm.Token.Value + more) };
        Add(n => new DroneAction
        {
            Number = n,
            Identity = claimed,
            Kind = DroneActionKind.Claim,
            Claim = new ClaimOrder
            {
                Key = new KeyConfig { Name = "room", Namespace = "board/team", Tag = "v1" }, StartToken = warm.Token, Service = ServiceName.Parse("board"), Path = path,
            },
        });
        return claimed;
    }

    public void Terminate(BackendIdentity identity, TerminationKind kind = TerminationKind.Soft, TerminationReason reason = TerminationReason.External) =>
        Add(n => new DroneAction
        {
            Number = n,
            Identity = identity,
            Kind = DroneActionKind.Terminate,
            Terminate = new TerminateOrder { Kind = kind, Reason = reason },
        });

    /// <summary>Leaves a number out, as a withdrawn action does.</summary>
    public void SkipNumber() => LastNumber++;

    public static BackendIdentity NewIdentity() => new(BackendName.NewRandom(), new FencingToken(Random.Shared.NextInt64(1, 1L << 50)));

    public Task Ping(CancellationToken cancellationToken = default)
    {
        Fail();
        return Task.CompletedTask;
    }

    public async Task<RegistrationReply> Register(DroneRegistration registration, CancellationToken cancellationToken = default)
    {
        Fail();
        Registrations.Enqueue(registration);
        if (await OnRegister(registration) is { } reply)
        {
            return reply;
        }

        Session = new DroneSession(registration.Cluster, registration.Name, ++_session);
        return new RegistrationReply { Outcome = RegistrationOutcome.Accepted, Session = Session, InstallationId = InstallationId, Numbers = Numbers };
    }

    public Task<SessionState> Heartbeat(DroneHeartbeat heartbeat, CancellationToken cancellationToken = default)
    {
        Fail();
        Heartbeats.Enqueue(heartbeat);
        return Task.FromResult(OnHeartbeat(heartbeat) ?? StateOf(heartbeat.Session));
    }

    public async Task<ActionPage> ReadActions(DroneSession session, long after, TimeSpan wait, CancellationToken cancellationToken = default)
    {
        Fail();
        Reads.Enqueue(after);
        Task changed;
        DroneAction[] actions;
        lock (_gate)
        {
            changed = _changed.Task;
            actions = [.. _actions.Where(a => a.Number > after)];
        }

        if (actions.Length == 0 && wait > TimeSpan.Zero && !AnswersWaitsAtOnce)
        {
            await Task.WhenAny(changed, Task.Delay(wait, TimeProvider.System, cancellationToken));
            cancellationToken.ThrowIfCancellationRequested();
            Fail();
            lock (_gate)
            {
                actions = [.. _actions.Where(a => a.Number > after)];
            }
        }

        return OnRead(after, new ActionPage { Session = StateOf(session), Actions = actions });
    }

    public Task<SessionState> AcknowledgeActions(DroneSession session, long upTo, CancellationToken cancellationToken = default)
    {
        Fail();
        Acknowledged.Enqueue(upTo);
        lock (_gate)
        {
            _actions.RemoveAll(a => a.Number <= upTo);
        }

        return Task.FromResult(StateOf(session));
    }

    public Task<StateReply> ReportStates(StateBatch batch, CancellationToken cancellationToken = default)
    {
        Fail();
        var acks = new List<StateAck>();
        foreach (var e in batch.Events)
        {
            States.Enqueue(e);
            acks.Add(OnState(e));
        }

        return Task.FromResult(new StateReply { Session = StateOf(batch.Session), Acks = [.. acks] });
    }

    public async Task<RenewalReply> Renew(RenewalBatch batch, CancellationToken cancellationToken = default)
    {
        Renewals.Enqueue(batch);
        await BeforeRenewal(batch);
        Fail();
        return new RenewalReply
        {
            Session = StateOf(batch.Session),
            Answers =
            [
                .. batch.Items.Select(i => OnRenew(batch, i) ?? new RenewalAnswer
                {
                    Identity = i,
                    Outcome = RenewalOutcome.Renewed,
                    Deadlines = Numbers.DeadlinesFrom(batch.Reading, batch.InstanceId, batch.BootId),
                }),
            ],
        };
    }

    /// <summary>The images that the drone is to have.</summary>
    public void Want(params WantedImage[] images)
    {
        lock (_gate)
        {
            _wanted = images;
            _wantedVersion = $"v{++_wantedNumber}";
            _changed.TrySetResult();
            _changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }
    }

    public async Task<ImagePage> ReadImages(ImageQuery query, TimeSpan wait, CancellationToken cancellationToken = default)
    {
        Fail();
        ImageQueries.Enqueue(query);
        Task changed;
        bool waits;
        lock (_gate)
        {
            (changed, waits) = (_changed.Task, query.Known == _wantedVersion);
        }

        if (waits)
        {
            await Task.WhenAny(changed, Task.Delay(wait, TimeProvider.System, cancellationToken));
            cancellationToken.ThrowIfCancellationRequested();
            Fail();
        }

        lock (_gate)
        {
            return new ImagePage { Session = StateOf(query.Session), Version = _wantedVersion, Images = _wanted };
        }
    }

    public Task<SessionState> ReportImages(ImageReport report, CancellationToken cancellationToken = default)
    {
        Fail();
        ImageReports.Enqueue(report);
        return Task.FromResult(StateOf(report.Session));
    }

    public Task<ChangeOutcome> Drain(bool terminate, CancellationToken cancellationToken = default) => Task.FromResult(ChangeOutcome.NotFound);

    public Task<ChangeOutcome> Undrain(CancellationToken cancellationToken = default) => Task.FromResult(ChangeOutcome.NotFound);

    private SessionState StateOf(DroneSession session) => session == Session ? SessionState.Current : SessionState.Replaced;

    private void Fail()
    {
        if (IsAway)
        {
            throw new SiloUnavailableException("away for the test");
        }
    }

    private void Add(Func<long, DroneAction> make)
    {
        lock (_gate)
        {
            _actions.Add(make(++LastNumber));
            _changed.TrySetResult();
            _changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }
    }

    // DispatchProxy derives from it.
#pragma warning disable CA1852
    /// <summary>Answers the one overload of GetGrain that is used.</summary>
    internal class ClientProxy : DispatchProxy
    {
        private FakeController? _controller;

        public static IClusterClient Make(FakeController controller)
        {
            var client = Create<IClusterClient, ClientProxy>();
            ((ClientProxy)(object)client)._controller = controller;
            return client;
        }

        protected override object? Invoke(MethodInfo? targetMethod, object?[]? args)
        {
            if (targetMethod is { Name: "GetGrain", IsGenericMethod: true } && args?[0] is string key)
            {
                if (targetMethod.GetGenericArguments()[0] == typeof(ILeaseGrain))
                {
                    _controller!.LeaseKeys.Enqueue(key);
                }

                return _controller;
            }

            // No controller calls the objects of a drone here.
            return targetMethod is { Name: "CreateObjectReference" } ? null : throw new NotSupportedException(targetMethod?.ToString());
        }
    }
#pragma warning restore CA1852
}
