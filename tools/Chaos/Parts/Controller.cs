using System.Globalization;
using System.Net;

namespace Plane.Chaos.Parts;

/// <summary>
/// A machine with a controller: a network namespace behind a cable of its own. Any caller of the controller, and it the database, does so through a relay. The
/// relays must stand where the silo says that it is: a client calls gateways by the address that it reached them at, and a silo passes on what is for another's.
/// </summary>
internal sealed class Controller : IAsyncDisposable
{
    private const int HttpPort = 8080;
    private const int GatewayPort = 30000;
    private const int SiloPort = 11111;

    private readonly Folder _folder;
    private readonly string _clockFile;
    private readonly List<ByteRelay> _relays = [];

    public Controller(Folder folder, int number)
    {
        (_folder, Name) = (folder, NameOf(number));
        NetworkLink = new NetworkLink(Name, 78, number);
        Advertised = string.Create(CultureInfo.InvariantCulture, $"10.79.0.{number}");
        _clockFile = Path.Combine(folder.Run, $"{Name}-clock");
    }

    public string Name { get; }

    public NetworkLink NetworkLink { get; }

    public Part Part { get; private set; } = null!;

    public Uri Url => new(string.Create(CultureInfo.InvariantCulture, $"http://{NetworkLink.Far}:{HttpPort}/"));

    /// <summary>As it is told to clients.</summary>
    public string Gateway => string.Create(CultureInfo.InvariantCulture, $"{Advertised}:{GatewayPort}");

    /// <summary>The ways of those who may call it, by their addresses.</summary>
    public Dictionary<IPAddress, Way> Ways { get; } = [];

    /// <summary>Its way to the database.</summary>
    public LinkConditions ToDatabase { get; } = new();

    private string Advertised { get; }

    public static string NameOf(int number) => string.Create(CultureInfo.InvariantCulture, $"co-{number}");

    /// <summary>Lays the cable and opens the relays. Nobody is behind them yet.</summary>
    public async Task PlugInAsync(int seed)
    {
        await NetworkLink.LayAsync();
        await Tool.RunAsync("ip", ["address", "add", $"{Advertised}/32", "dev", "lo"]);
        var advertised = IPAddress.Parse(Advertised);
        _relays.Add(new ByteRelay(new IPEndPoint(IPAddress.Parse(NetworkLink.Near), Database.Address.Port), Database.Address, _ => new Way(ToDatabase), seed));
        _relays.Add(new ByteRelay(new IPEndPoint(advertised, GatewayPort), new IPEndPoint(NetworkLink.Address, GatewayPort), a => Ways[a], seed + 1));
        _relays.Add(new ByteRelay(new IPEndPoint(advertised, SiloPort), new IPEndPoint(NetworkLink.Address, SiloPort), a => Ways[a], seed + 2));
    }

    public void Install(Builds builds, string cluster, LeaseOptions numbers, string? fakeTime)
    {
        var environment = new Dictionary<string, string>();
        foreach (var property in typeof(LeaseOptions).GetProperties().Where(p => p.PropertyType == typeof(TimeSpan)))
        {
            environment[$"PLANE__LEASE_NUMBERS__{property.Name}"] =
                string.Create(CultureInfo.InvariantCulture, $"{((TimeSpan)property.GetValue(numbers)!).TotalMilliseconds}ms");
        }

        if (fakeTime is not null)
        {
            StepClock(TimeSpan.Zero);
            FakeClock.Add(environment, fakeTime, _clockFile);
        }

        Part = new Part(
            Name,
            Path.Combine(_folder.Logs, $"{Name}.log"),
            () =>
            [
                .. NetworkLink.Inside, Checkout.Dotnet, builds.For(Name), "controller", "--name", Name, "--db", Database.Url(NetworkLink.Near), "--host", NetworkLink.Far, "--port", $"{HttpPort}",
                "--gateway-host", NetworkLink.Far, "--gateway-port", $"{GatewayPort}", "--silo-port", $"{SiloPort}", "--advertised-address", Advertised, "--insecure-gateway", "--default-cluster", cluster,
            ],
            environment,
            "ready controller");
    }

    public void StepClock(TimeSpan offset) => FakeClock.Set(_clockFile, offset);

    public async ValueTask DisposeAsync()
    {
        foreach (var relay in _relays)
        {
            await relay.DisposeAsync();
        }
    }
}
