using System.Globalization;
using System.Net;

namespace Plane.Chaos.Parts;

/// <summary>
/// The installation under test, each program a process of its own: PostgreSQL, one controller, two proxies, three drones of which one runs processes, one
/// containers and one both. Everything is in the sandbox's network; what comes to the controller from another program comes through a relay.
/// </summary>
internal sealed class Rig : IAsyncDisposable
{
    public const string Cluster = "chaos.test:9090";
    private const int GatewayPort = 30000;

    private readonly Folder _folder;
    private readonly LeaseNumbers _numbers;
    private readonly List<FrameRelay> _relays = [];
    private readonly CancellationTokenSource _stop = new();
    private readonly string _clockFile;
    private Task _reviving = Task.CompletedTask;

    public Rig(Folder folder, LeaseNumbers numbers)
    {
        (_folder, _numbers) = (folder, numbers);
        Database = new Database(folder);
        _clockFile = Path.Combine(folder.Run, "silo-clock");
    }

    public static Uri Controller { get; } = new("http://127.0.0.1:8080/");

    public Database Database { get; }

    public Part Silo { get; private set; } = null!;

    public IReadOnlyList<Drone> Drones { get; private set; } = [];

    public IReadOnlyList<Part> Proxies { get; private set; } = [];

    /// <summary>What reaches the proxies' relays, by the proxies' order.</summary>
    public IReadOnlyList<Weather> ProxyWeather => [.. _relays.Select(r => r.Weather)];

    public string? FakeTime { get; } = FakeClock.Find();

    public IEnumerable<Part> Parts => [Database.Part, Silo, .. Proxies, .. Drones.Select(d => d.Agent), .. Drones.Select(d => d.Engine?.Part).OfType<Part>()];

    /// <summary>Where a proxy listens.</summary>
    public static IPEndPoint ProxyAddress(int index) => new(new IPAddress([127, 0, 0, (byte)(index + 1)]), 9090);

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
        var gateway = new Uri($"http://127.0.0.1:{GatewayPort}/gateway");
        var socket = new UriBuilder(gateway) { Scheme = "ws" }.Uri;
        foreach (var drone in Drones)
        {
            await drone.PlugInAsync(socket, seed + _relays.Count);
        }

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
        InstallControllerAndProxies(seed, socket, steppedClocks.Contains("controller"));
        Silo.Start();
        await MustBeReadyAsync(Silo);
        foreach (var proxy in Proxies)
        {
            proxy.Start();
        }

        await preparing;
        foreach (var drone in Drones)
        {
            drone.Install(Cluster, SecretFile, steppedClocks.Contains(drone.Name) ? FakeTime : null, GatewayPort);
            drone.Agent.Start();
        }

        foreach (var part in Proxies.Concat(Drones.Select(d => d.Agent)))
        {
            await MustBeReadyAsync(part);
        }

        _reviving = ReviveAsync();
    }

    public void StepClock(string target, TimeSpan offset) =>
        FakeClock.Set(target == "controller" ? _clockFile : Drones.Single(d => d.Name == target).ClockFile, offset);

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _reviving;
        foreach (var part in Parts.Reverse().Where(p => p is not null))
        {
            await part.EndAsync(Signal.Kill);
        }

        foreach (var relay in _relays)
        {
            await relay.DisposeAsync();
        }

        foreach (var drone in Drones)
        {
            await drone.DisposeAsync();
        }

        _stop.Dispose();
    }

    private string SecretFile => Path.Combine(_folder.Run, "gateway-secret");

    private void InstallControllerAndProxies(int seed, Uri socket, bool steppedClock)
    {
        File.WriteAllText(SecretFile, Convert.ToHexString(System.Security.Cryptography.RandomNumberGenerator.GetBytes(32)));
        File.SetUnixFileMode(SecretFile, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        var environment = new Dictionary<string, string>();
        foreach (var property in typeof(LeaseNumbers).GetProperties().Where(p => p.PropertyType == typeof(TimeSpan)))
        {
            environment[$"PLANE__LEASE_NUMBERS__{property.Name}"] =
                string.Create(CultureInfo.InvariantCulture, $"{((TimeSpan)property.GetValue(_numbers)!).TotalMilliseconds}ms");
        }

        if (steppedClock && FakeTime is not null)
        {
            File.WriteAllText(_clockFile, "+0");
            FakeClock.Add(environment, FakeTime, _clockFile);
        }

        Silo = new Part(
            "controller",
            Path.Combine(_folder.Logs, "controller.log"),
            () =>
            [
                Checkout.Dotnet, Checkout.Plane, "controller", "--db", Database.Url, "--port", $"{Controller.Port}", "--gateway-port", $"{GatewayPort}",
                "--gateway-secret-file", SecretFile, "--default-cluster", Cluster,
            ],
            environment,
            "ready controller");
        var proxies = new List<Part>();
        for (var i = 0; i < 2; i++)
        {
            var at = ProxyAddress(i);
            _relays.Add(new FrameRelay(new IPEndPoint(at.Address, GatewayPort + 1), socket, seed + 100 + i));
            proxies.Add(new Part(
                $"px-{i + 1}",
                Path.Combine(_folder.Logs, $"px-{i + 1}.log"),
                () =>
                [
                    Checkout.Dotnet, Checkout.Plane, "proxy", "--gateway", $"{at.Address}:{GatewayPort + 1}", "--gateway-secret-file", SecretFile, "--cluster", Cluster,
                    "--name", $"px-{at.Address.GetAddressBytes()[3]}", "--host", at.Address.ToString(), "--port", $"{at.Port}",
                ],
                new Dictionary<string, string>(),
                "ready proxy"));
        }

        Proxies = proxies;
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
