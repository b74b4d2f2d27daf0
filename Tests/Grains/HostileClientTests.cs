using System.Collections.Concurrent;
using System.Reflection;
using Microsoft.Extensions.DependencyInjection;
using Orleans;
using Orleans.Runtime;
using Plane.Grains.Feed;
using Plane.Testing;

namespace Plane.Tests.Grains;

/// <summary>
/// A cluster client that sends what it likes to every method of every grain, beside one that is well-behaved: everything is answered by a refusal of the contract or does no
/// harm, and the other client notices nothing.
/// </summary>
public sealed class HostileClientTests
{
    private static readonly string[] s_foreignKeys = ["anything", "\0", "a/b/c", "5:x", "01:xy", "c99", "rr", "ünï", new string('k', 30_000)];

    [Theory, InlineData(On.Sqlite), InlineData(On.Postgres)]
    public async Task Nothing_that_a_client_sends_harms_another_or_stays(On on)
    {
        await using var plane = await GrainCluster.StartGatewayAsync(on);
        using var attacker = await plane.ConnectClientAsync();
        await using var good = await GoodClient.StartAsync(plane);
        await plane.Store.PutServiceAsync(
            ServiceName.Parse("hostile"), new ServiceConfig { SpawnConfig = Commands.Spawn(), Access = ServiceAccess.Public, MaxBackends = 10_000 }, default);
        var calls = new HostileCalls(attacker.Services.GetRequiredService<IClusterClient>(), await TestDrone.RegisterAsync(plane, plane.NewCluster()), plane);
        var wrong = new ConcurrentDictionary<string, string>();
        var refused = 0;
        await Parallel.ForEachAsync(
            calls.All(),
            new ParallelOptions { MaxDegreeOfParallelism = 16 },
            async (call, _) =>
            {
                for (var attempt = 1; ; attempt++)
                {
                    try
                    {
                        await call.Run();
                        return;
                    }
                    catch (InvalidCallException)
                    {
                        Interlocked.Increment(ref refused);
                        return;
                    }
                    catch (OrleansMessageRejectionException) when (attempt < 5)
                    {
                        // The activation of a refused key was being dropped when the call came: it is repeated, as any client does.
                    }
                    catch (Exception e)
                    {
                        wrong.TryAdd($"{call.Name}: {e.GetType().Name}", e.Message);
                        return;
                    }
                }
            });

        Assert.True(wrong.IsEmpty, string.Join('\n', wrong.Select(w => $"{w.Key} {w.Value}")));
        Assert.True(refused > 500, $"only {refused} calls were refused");
        await good.StillWorksAsync();

        // What was stored can be read, all of it.
        for (var position = LogPosition.Start; ;)
        {
            var page = await plane.Store.ReadLogAsync(position, 1_000, default);
            if (page.Changes.Length == 0)
            {
                break;
            }

            position = page.Next;
        }

        for (string? cursor = null; ;)
        {
            var page = await plane.Store.ListBackendsAsync(new BackendQuery { Limit = 1_000, Cursor = cursor }, default);
            foreach (var backend in page.Backends)
            {
                Assert.NotNull(await plane.Store.ReadBackendAsync(backend.BackendId, default));
            }

            if ((cursor = page.NextCursor) is null)
            {
                break;
            }
        }

        Assert.Equal(0, plane.Store.UnreadableRows);
        var feed = plane.SiloServices.GetRequiredService<ChangeFeed>();
        var end = await plane.Store.ReadLogEndAsync(default);
        await Eventually.TrueAsync(() => feed.End is { } read && read >= end, "the feed has read all changes");
    }

    [Fact]
    public async Task A_message_that_is_too_large_ends_its_senders_connection_alone()
    {
        await using var plane = await GrainCluster.StartGatewayAsync(On.Sqlite);
        await using var good = await GoodClient.StartAsync(plane);
        foreach (var call in new Func<IClusterClient, Task>[]
        {
            c => c.GetGrain<IBackendGrain>(new string('k', 1_000_000)).Describe(),
            c => c.GetGrain<IRouteGrain>("r0").Resolve((BearerToken)HostileValues.Named(typeof(BearerToken), new string('x', MessageLimits.MaxBodyBytes + 1)), TimeSpan.Zero),
        })
        {
            using var attacker = await plane.ConnectClientAsync(TimeSpan.FromSeconds(2));
            await Assert.ThrowsAnyAsync<Exception>(() => call(attacker.Services.GetRequiredService<IClusterClient>()));
            await good.StillWorksAsync();
        }

        Assert.Equal(0, good.Failures);
    }

    /// <summary>Connects and runs backends all the time, through a client of its own.</summary>
    private sealed class GoodClient : IAsyncDisposable
    {
        private readonly GrainCluster _plane;
        private readonly TestDrone _drone;
        private readonly CancellationTokenSource _stop = new();
        private readonly ConcurrentQueue<Exception> _failures = new();
        private readonly Task _running;
        private int _connects;

        private GoodClient(GrainCluster plane, TestDrone drone)
        {
            (_plane, _drone) = (plane, drone);
            _running = Task.Run(RunAsync);
        }

        public int Failures => _failures.Count;

        public static async Task<GoodClient> StartAsync(GrainCluster plane) => new(plane, await TestDrone.RegisterAsync(plane, plane.NewCluster(), maxBackends: 100_000));

        /// <summary>It has connected some more, and met no failure.</summary>
        public async Task StillWorksAsync()
        {
            var before = Volatile.Read(ref _connects);
            await Eventually.TrueAsync(() => Volatile.Read(ref _connects) > before + 3 || !_failures.IsEmpty, "the well-behaved client connects");
            Assert.True(_failures.IsEmpty, string.Join('\n', _failures));
        }

        public async ValueTask DisposeAsync()
        {
            await _stop.CancelAsync();
            await _running;
            _stop.Dispose();
        }

        private async Task RunAsync()
        {
            while (!_stop.IsCancellationRequested)
            {
                try
                {
                    var key = Commands.NewKey();
                    var holder = await _plane.ConnectedAsync(Commands.Connect(key, _drone.Cluster, Commands.Spawn()));
                    await _drone.ReachAsync(holder.Identity, BackendStatus.Ready);
                    var again = await _plane.ConnectedAsync(Commands.Connect(key, _drone.Cluster));
                    Assert.Equal(holder.Identity, again.Identity);
                    await _drone.HeartbeatAsync();
                    await _drone.ReachAsync(holder.Identity, BackendStatus.Terminated);
                    Interlocked.Increment(ref _connects);
                }
                catch (Exception e)
                {
                    _failures.Enqueue(e);
                }
            }
        }
    }

    /// <summary>The calls: each method with each argument, and each member of it, replaced by each hostile value; and with grain keys that are none.</summary>
    private sealed class HostileCalls(IClusterClient client, TestDrone drone, GrainCluster plane)
    {
        // More than the attacker's backends reserve: they must not be refused for that.
        private static readonly ResourceAmounts s_capacity = new()
        {
            CpuMillis = ResourceAmounts.Most, MemoryBytes = ResourceAmounts.Most, DiskBytes = ResourceAmounts.Most, Gpus = ResourceAmounts.MostGpus,
        };

        private static readonly ServiceName s_service = ServiceName.Parse("hostile");
        private static readonly KeyConfig s_key = new() { Name = "Room 1", Namespace = "team" };

        private static readonly Type[] s_grains = [.. typeof(IKeyGrain).Assembly.GetTypes().Where(t => t.IsInterface && typeof(IGrain).IsAssignableFrom(t) && t != typeof(IReachable))];

        public IEnumerable<(string Name, Func<Task> Run)> All()
        {
            Assert.NotEmpty(s_grains);
            foreach (var method in s_grains.SelectMany(g => g.GetMethods()))
            {
                var name = $"{method.DeclaringType!.Name}.{method.Name}";
                var parameters = method.GetParameters();
                foreach (var key in s_foreignKeys)
                {
                    yield return (name, () => CallAsync(method, key, [.. parameters.Select(p => Valid(method.DeclaringType!, p.ParameterType, p.Name!))]));
                }

                for (var i = 0; i < parameters.Length - 1; i++)
                {
                    var at = i;
                    foreach (var value in HostileValues.Of(parameters[i].ParameterType, Valid(method.DeclaringType!, parameters[i].ParameterType, parameters[i].Name!)))
                    {
                        yield return ($"{name}({parameters[i].Name})", () =>
                        {
                            var arguments = parameters.Select(p => Valid(method.DeclaringType!, p.ParameterType, p.Name!)).ToArray();
                            arguments[at] = value;
                            return CallAsync(method, KeyFor(method.DeclaringType!, arguments), arguments);
                        });
                    }
                }
            }
        }

        private Task CallAsync(MethodInfo method, string key, object?[] arguments) =>
            (Task)method.Invoke(client.GetGrain(method.DeclaringType!, key), arguments)!;

        // The key that belongs to the arguments, as far as they say one: else the grain would refuse them for that alone.
        private string KeyFor(Type grain, object?[] arguments)
        {
            var key = grain.Name switch
            {
                nameof(IKeyGrain) when arguments[0] is ConnectCommand { Request.Key: { Name: not null, Namespace: not null } k } => k.GrainKey,
                nameof(IDroneGrain) => DroneKey(arguments[0], ""),
                nameof(ILeaseGrain) => DroneKey(arguments[0], "/0"),
                nameof(IProxyGrain) when arguments[0] is ProxyReport report => HostileValues.TextOf(report.Proxy),
                nameof(IProxyGrain) => "px-hostile",
                nameof(ICertificateGrain) when arguments[0] is ClusterName cluster && cluster != default => GrainKeys.Certificate(cluster),
                nameof(ICertificateGrain) => "c00",
                nameof(IRouteGrain) => "r0",
                nameof(IServiceGrain) => "s0",
                nameof(IBackendGrain) => "hostile",
                _ => null,
            };

            // The client itself refuses a key of white space.
            return string.IsNullOrWhiteSpace(key) || key.Length > 30_000 ? "anything" : key;
        }

        private string DroneKey(object? message, string rest)
        {
            var session = message switch
            {
                DroneSession s => s,
                DroneHeartbeat { Session: { } s } => s,
                StateBatch { Session: { } s } => s,
                RenewalBatch { Session: { } s } => s,
                ImageQuery { Session: { } s } => s,
                ImageReport { Session: { } s } => s,
                DroneRegistration r => new DroneSession(r.Cluster, r.Name, 1),
                _ => drone.Session,
            };
            return $"{HostileValues.TextOf(session.Cluster)}/{HostileValues.TextOf(session.Drone)}{rest}";
        }

        // Valid, and each time another one, so that a command that is accepted is carried out.
        private object? Valid(Type grain, Type type, string name) => type switch
        {
            _ when type == typeof(CancellationToken) => CancellationToken.None,
            _ when type == typeof(ConnectCommand) && grain == typeof(IServiceGrain) => OfService(Command()),
            _ when type == typeof(ConnectCommand) => Command(),
            _ when type == typeof(DroneSession) => drone.Session,
            _ when type == typeof(DroneRegistration) => TestDrone.Describe(drone.Cluster) with { InstallationId = plane.Store.InstallationId, Capacity = s_capacity },
            _ when type == typeof(DroneHeartbeat) =>
                new DroneHeartbeat { Session = drone.Session, InstanceId = drone.Registration.InstanceId, BootId = drone.Registration.BootId, Reading = 1, Ready = true, Capacity = s_capacity },
            _ when type == typeof(StateBatch) => new StateBatch { Session = drone.Session, Events = [drone.Event(Identity(), BackendStatus.Ready)] },
            _ when type == typeof(RenewalBatch) => new RenewalBatch
            {
                Session = drone.Session, InstanceId = drone.Registration.InstanceId, BootId = drone.Registration.BootId, Reading = 1, Items = [Identity()],
            },
            _ when type == typeof(ImageQuery) => new ImageQuery { Session = drone.Session, Known = "known" },
            _ when type == typeof(ImageReport) => new ImageReport
            {
                Session = drone.Session, Images = [new ImageState { Image = "image:1", Status = ImageStatus.Pulling, Percent = 1, Reason = "why" }],
            },
            _ when type == typeof(ProxyReport) => new ProxyReport { Cluster = drone.Cluster, Proxy = ProxyName.Parse("px-hostile"), Version = "1", InUse = [Identity()] },
            _ when type == typeof(RevokeScope) => new RevokeScope { User = "u", Token = BearerToken.NewRandom() },
            _ when type == typeof(ServiceName) => s_service,
            _ when type == typeof(EnterCommand) => new EnterCommand
            {
                Service = s_service,
                Cluster = drone.Cluster,
                Label = ServiceLabel.Of(s_service, s_key),
                Key = s_key,
                Token = BearerToken.NewRandom(),
                SecretToken = RandomText.Secret(),
                BackendId = BackendName.NewRandom(),
                ClientNetwork = "203.0.113.0/24",
                Scope = new KeyScope { Names = [s_key.Name], Prefixes = [""], Namespace = s_key.Namespace },
            },
            _ when type == typeof(TxtValues) => new TxtValues { Owner = "o", Values = ["v"] },
            _ when type == typeof(ChallengeHold) => new ChallengeHold { Owner = "o" },
            _ when type == typeof(CertificateOrder) => new CertificateOrder { Id = "1", Owner = "o", Authority = "a" },
            _ when type == typeof(ClusterName) => drone.Cluster,
            _ when type == typeof(BearerToken) => BearerToken.NewRandom(),
            _ when type == typeof(TerminationKind) => TerminationKind.Soft,
            _ when type == typeof(TimeSpan) => TimeSpan.Zero,
            _ when type == typeof(long) => 0L,
            _ when type == typeof(bool) => false,
            _ when type == typeof(string) => "text",
            _ when Nullable.GetUnderlyingType(type) is not null => null,
            _ => throw new InvalidOperationException($"no valid {type} for {name}"),
        };

        private static BackendIdentity Identity() => new(BackendName.NewRandom(), new FencingToken(1));

        private ConnectCommand Command()
        {
            var spawn = new SpawnConfig
            {
                Id = BackendName.NewRandom(),
                Cluster = drone.Cluster.Value,
                MaxIdleSeconds = 60,
                LifetimeLimitSeconds = 60,
                Subdomain = "s",
                Executable = new Executable
                {
                    Image = "image",
                    Command = ["run"],
                    Env = new() { ["a"] = "b" },
                    PullPolicy = PullPolicy.Never,
                    Credentials = new RegistryCredentials { Username = "u", Password = "p" },
                    ResourceLimits = new ResourceLimits { CpuPeriod = 100_000, CpuPeriodPercent = 100, CpuTimeLimit = 1, MemoryLimitBytes = 1, DiskLimitBytes = 1 },
                    ResourceRequests = new ResourceRequests { CpuMillis = 1_000, MemoryBytes = 1, DiskBytes = 1 },
                    Mount = new MountRequest("data"),
                    NetworkName = "net",
                    StopGraceSeconds = 1,
                    Gpus = 1,
                },
            };
            var request = new ConnectRequest
            {
                Key = Commands.NewKey("t"),
                SpawnConfig = spawn,
                User = "user",
                Auth = JsonText.TryParse("{}", out var auth) ? auth : null,
                RequestId = Guid.NewGuid().ToString(),
            };
            return ConnectCommand.For(request, drone.Cluster);
        }

        private static ConnectCommand OfService(ConnectCommand command) => command with { Request = command.Request with { Service = s_service, SpawnConfig = null } };
    }
}
