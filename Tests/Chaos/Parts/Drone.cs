using System.Globalization;
using System.Net;

namespace Plane.Chaos.Parts;

/// <summary>
/// A machine that runs backends: a network namespace behind a cable of its own, a small disk for the agent's state, perhaps an engine, the agent.
/// </summary>
internal sealed class Drone : IAsyncDisposable
{
    private readonly Folder _folder;
    private readonly int _number;
    private readonly string _disk;
    private FrameRelay? _relay;

    public Drone(Folder folder, int number, string runtime, ContainerEngine? engine)
    {
        (_folder, _number, Runtime, Engine) = (folder, number, runtime, engine);
        Name = NameOf(number);
        _disk = Path.Combine(folder.Run, Name, "disk");
        ClockFile = Path.Combine(folder.Run, Name, "clock");
    }

    public string Name { get; }

    public string Runtime { get; }

    public ContainerEngine? Engine { get; }

    public Part Agent { get; private set; } = null!;

    public Weather Weather => _relay!.Weather;

    /// <summary>What its wall clock is off by, for libfaketime.</summary>
    public string ClockFile { get; }

    /// <summary>Where its backends' records are, as the agent mounts them; processes write to <c>…/process</c>.</summary>
    public string Records => Path.Combine(_folder.Records, Name);

    public static string NameOf(int number) => $"dr-{number}";

    /// <summary>The network and the disk.</summary>
    public async Task PlugInAsync(Uri gateway, int seed)
    {
        Directory.CreateDirectory(_disk);
        Directory.CreateDirectory(Records);
        await Tool.RunAsync("mount", ["-t", "tmpfs", "-o", "size=16m", "tmpfs", _disk]);
        await Tool.RunAsync("ip", ["netns", "add", Name]);
        await Tool.RunAsync("ip", ["link", "add", Cable, "type", "veth", "peer", "name", "eth0", "netns", Name]);
        await Tool.RunAsync("ip", ["address", "add", $"{Near}/24", "dev", Cable]);
        await Tool.RunAsync("ip", ["link", "set", Cable, "up"]);
        await Tool.RunAsync("ip", ["-n", Name, "address", "add", $"{Far}/24", "dev", "eth0"]);
        await Tool.RunAsync("ip", ["-n", Name, "link", "set", "eth0", "up"]);
        await Tool.RunAsync("ip", ["-n", Name, "link", "set", "lo", "up"]);
        _relay = new FrameRelay(new IPEndPoint(IPAddress.Parse(Near), gateway.Port), gateway, seed);
        await File.WriteAllTextAsync(ClockFile, "+0");
    }

    public void Install(string cluster, string secretFile, string? fakeTime, int gatewayPort)
    {
        var environment = new Dictionary<string, string> { ["DOTNET_TieredPGO"] = "0", ["DOTNET_gcServer"] = "0" };
        if (fakeTime is not null)
        {
            FakeClock.Add(environment, fakeTime, ClockFile);
        }

        Agent = new Part(
            $"drone-{Name}",
            Path.Combine(_folder.Logs, $"{Name}.log"),
            () =>
            [
                "nsenter", $"--net=/run/netns/{Name}", Checkout.Dotnet, Checkout.Plane, "drone", "--gateway", $"{Near}:{gatewayPort.ToString(CultureInfo.InvariantCulture)}",
                "--gateway-secret-file", secretFile, "--cluster", cluster, "--name", Name, "--runtime", Runtime, "--ip", Far, "--state", Path.Combine(_disk, "drone.db"),
                "--run-dir", RunDir, "--mount-base", Records, "--port-range", "20000-20999", "--startup-limit", "30s", "--runtime-away-limit", "10s",
                "--check-every", "1s", .. Engine is null ? (string[])[] : ["--docker-host", Engine.Host],
            ],
            environment,
            "ready drone");
    }

    /// <summary>Pulls or plugs the cable: agent, backends and engine reach nobody and nobody reaches them.</summary>
    public Task CableAsync(bool plugged) => Tool.RunAsync("ip", ["link", "set", Cable, plugged ? "up" : "down"]);

    /// <summary>Fills the disk with the state file to the last byte, or frees it again.</summary>
    public async Task FillDiskAsync(bool full)
    {
        var file = Path.Combine(_disk, "ballast");
        if (full)
        {
            // Ends with an error: that is the point.
            await Tool.TryAsync("dd", ["if=/dev/zero", $"of={file}", "bs=4096"]);
        }
        else
        {
            File.Delete(file);
        }
    }

    /// <summary>The guard's process, which the agent started.</summary>
    public int? GuardPid() => Processes.All().Where(p => p.Command.Contains("guard") && p.Command.Any(a => a.StartsWith(RunDir, StringComparison.Ordinal))).Select(p => (int?)p.Pid).FirstOrDefault();

    public ValueTask DisposeAsync() => _relay?.DisposeAsync() ?? ValueTask.CompletedTask;

    private string RunDir => Path.Combine(_folder.Run, Name, "run");

    private string Cable => $"cable{_number}";

    private string Near => $"10.77.{_number}.1";

    private string Far => $"10.77.{_number}.2";
}
