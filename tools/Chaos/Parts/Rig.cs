using System.Collections.Immutable;
using Plane.Chaos.Faults;

namespace Plane.Chaos.Parts;

/// <summary>
/// The installation under test, each program a process of its own: PostgreSQL, controllers (one, or with Orleans several), two proxies, three drones of which one runs
/// processes, one containers and one both. Each is on a machine of its own in the sandbox's network, but for the database, which shares one with the clients and with the relays
/// before controllers and database.
/// </summary>
internal sealed class Rig : IAsyncDisposable
{
    public const string Cluster = "chaos.test:9090";

    private readonly Folder _folder;
    private readonly LeaseOptions _numbers;
    private readonly Builds _builds;
    private readonly CancellationTokenSource _stop = new();
    private Task _reviving = Task.CompletedTask;

    public Rig(Folder folder, LeaseOptions numbers, int controllers, Builds builds)
    {
        (_folder, _numbers, _builds) = (folder, numbers, builds);
        Database = new Database(folder);
        Controllers = [.. Enumerable.Range(1, controllers).Select(n => new Controller(folder, n))];
    }

    public Database Database { get; }

    public ImmutableList<Controller> Controllers { get; }

    /// <summary>The ways between controllers, by the names of both. Up is from the first to the second.</summary>
    public Dictionary<string, LinkConditions> Between { get; } = [];

    public IReadOnlyList<Drone> Drones { get; private set; } = [];

    public IReadOnlyList<Proxy> Proxies { get; private set; } = [];

    /// <summary>The ways of drones and proxies to the controllers, by name, in the order of the controllers.</summary>
    public Dictionary<string, IReadOnlyList<LinkConditions>> ToControllers { get; } = [];

    /// <summary>Every way that has a weather, by name.</summary>
    public IEnumerable<(string Name, LinkConditions LinkConditions)> Ways =>
        ToControllers.SelectMany(w => w.Value.Select((weather, i) => ($"{w.Key} to {Controllers[i].Name}", weather)))
            .Concat(Between.Select(b => (b.Key, b.Value)))
            .Concat(Controllers.Select(c => ($"{c.Name} to the database", c.ToDatabase)));

    public string? FakeTime { get; } = FakeClock.Find();

    public IEnumerable<Part> Parts =>
    [
        Database.Part, .. Controllers.Select(c => c.Part), .. Proxies.Select(p => p.Part), .. Drones.Select(d => d.Agent), .. Drones.Select(d => d.Engine?.Part).OfType<Part>(),
    ];

    /// <summary>Of all programs of the product.</summary>
    public IEnumerable<string> Names => Controllers.Select(c => c.Name).Concat(["px-1", "px-2", "dr-1", "dr-2", "dr-3"]);

    public NetworkLink NetworkLink(string name) => Cables.Single(c => c.Name == name).NetworkLink;

    /// <param name="cgroup">What the containers' control groups are below.</param>
    /// <param name="seed">For what the ways to the gateway draw.</param>
    /// <param name="steppedClocks">Whose wall clock will be stepped. Only they get the library for it: it makes a start three times as expensive.</param>
    public async Task StartAsync(string cgroup, int seed, IReadOnlySet<string> steppedClocks)
    {
        Drones =
        [
            new Drone(_folder, 1, "process", null),
            new Drone(_folder, 2, "docker", new ContainerEngine(_folder, Drone.NameOf(2), cgroup, liveRestore: true)),
            new Drone(_folder, 3, "docker,process", new ContainerEngine(_folder, Drone.NameOf(3), cgroup, liveRestore: false)),
        ];
        Proxies = [new Proxy(_folder, 1), new Proxy(_folder, 2)];
        await PlugInAsync(seed);
        var engines = Drones.Select(d => d.Engine).OfType<ContainerEngine>().ToList();
        // One after another: the script that makes the image waits for itself otherwise.
        var preparing = Task.Run(async () =>
        {
            await Task.WhenAll(engines.Select(e => e.StartAsync()));
            foreach (var engine in engines)
            {
                await engine.ImportAsync();
            }
        });
        await Database.StartAsync();
        foreach (var controller in Controllers)
        {
            controller.Install(_builds, Cluster, _numbers, steppedClocks.Contains(controller.Name) ? FakeTime : null);
            controller.Part.Start();
        }

        foreach (var controller in Controllers)
        {
            await MustBeReadyAsync(controller.Part);
        }

        foreach (var proxy in Proxies)
        {
            proxy.Install(_builds, Cluster, ToAllControllers);
            proxy.Part.Start();
        }

        await preparing;
        foreach (var drone in Drones)
        {
            drone.Install(_builds, Cluster, ToAllControllers, steppedClocks.Contains(drone.Name) ? FakeTime : null);
            drone.Agent.Start();
        }

        foreach (var part in Proxies.Select(p => p.Part).Concat(Drones.Select(d => d.Agent)))
        {
            await MustBeReadyAsync(part);
        }

        _reviving = ReviveAsync();
    }

    public void StepClock(string target, TimeSpan offset)
    {
        if (Controllers.FirstOrDefault(c => c.Name == target) is { } controller)
        {
            controller.StepClock(offset);
        }
        else
        {
            FakeClock.Set(Drones.Single(d => d.Name == target).ClockFile, offset);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _reviving;
        foreach (var part in Parts.Reverse().Where(p => p is not null))
        {
            await part.EndAsync(Signal.Kill);
        }

        foreach (var controller in Controllers)
        {
            await controller.DisposeAsync();
        }

        _stop.Dispose();
    }

    private IEnumerable<(string Name, NetworkLink NetworkLink)> Clients => Drones.Select(d => (d.Name, d.NetworkLink)).Concat(Proxies.Select(p => (p.Name, p.NetworkLink)));

    private IEnumerable<(string Name, NetworkLink NetworkLink)> Cables => Clients.Concat(Controllers.Select(c => (c.Name, c.NetworkLink)));

    private string[] ToAllControllers => ["--gateway", string.Join(',', Controllers.Select(c => c.Gateway))];

    private async Task PlugInAsync(int seed)
    {
        // Between machines: proxies reach backends at the drones.
        await File.WriteAllTextAsync("/proc/sys/net/ipv4/ip_forward", "1");
        foreach (var drone in Drones)
        {
            await drone.PlugInAsync();
        }

        foreach (var proxy in Proxies)
        {
            await proxy.NetworkLink.LayAsync();
        }

        foreach (var controller in Controllers)
        {
            await controller.PlugInAsync(seed += 3);
        }

        foreach (var (name, cable) in Clients)
        {
            ToControllers[name] = [.. Controllers.Select(_ => new LinkConditions())];
            foreach (var (controller, weather) in Controllers.Zip(ToControllers[name]))
            {
                controller.Ways[cable.Address] = new Way(weather);
            }
        }

        foreach (var (one, i) in Controllers.Select((c, i) => (c, i)))
        {
            foreach (var two in Controllers.Skip(i + 1))
            {
                var weather = Between[FaultKinds.Between(one.Name, two.Name)] = new LinkConditions();
                two.Ways[one.NetworkLink.Address] = new Way(weather);
                one.Ways[two.NetworkLink.Address] = new Way(weather, Reversed: true);
            }
        }
    }

    private static async Task MustBeReadyAsync(Part part)
    {
        if (!await part.ReadyAsync(TimeSpan.FromSeconds(90), CancellationToken.None))
        {
            throw new InvalidOperationException($"{part.Name} did not get ready:\n{part.Tail()}");
        }
    }

    private async Task ReviveAsync()
    {
        try
        {
            while (true)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(500), TimeProvider.System, _stop.Token);
                foreach (var part in Parts)
                {
                    part.Revive();
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The end of the run.
        }
    }
}
