namespace Plane.Chaos.Parts;

/// <summary>
/// A machine that runs backends: a network namespace behind a cable of its own, a small disk for the agent's state, perhaps an engine, the agent.
/// </summary>
internal sealed class Drone
{
    private readonly Folder _folder;
    private readonly string _disk;

    public Drone(Folder folder, int number, string runtime, ContainerEngine? engine)
    {
        (_folder, Runtime, Engine) = (folder, runtime, engine);
        Name = NameOf(number);
        NetworkLink = new NetworkLink(Name, 77, number);
        _disk = Path.Combine(folder.Run, Name, "disk");
        ClockFile = Path.Combine(folder.Run, Name, "clock");
    }

    public string Name { get; }

    public string Runtime { get; }

    public ContainerEngine? Engine { get; }

    public Part Agent { get; private set; } = null!;

    public NetworkLink NetworkLink { get; }

    /// <summary>What its wall clock is off by, for libfaketime.</summary>
    public string ClockFile { get; }

    /// <summary>Where its backends' records are, as the agent mounts them; processes write to <c>…/process</c>.</summary>
    public string Records => Path.Combine(_folder.Records, Name);

    public static string NameOf(int number) => $"dr-{number}";

    /// <summary>The network and the disk.</summary>
    public async Task PlugInAsync()
    {
        Directory.CreateDirectory(_disk);
        Directory.CreateDirectory(Records);
        await Tool.RunAsync("mount", ["-t", "tmpfs", "-o", "size=256m", "tmpfs", _disk]);
        await NetworkLink.LayAsync();
        await File.WriteAllTextAsync(ClockFile, "+0");
    }

    public void Install(Builds builds, string cluster, IReadOnlyList<string> toControllers, string? fakeTime)
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
                .. NetworkLink.Inside, Checkout.Dotnet, builds.For(Name), "drone", .. toControllers,
                "--cluster", cluster, "--name", Name, "--runtime", Runtime, "--ip", NetworkLink.Far, "--state", Path.Combine(_disk, "drone.db"),
                "--run-dir", RunDir, "--mount-base", Records, "--port-range", "20000-20999", "--startup-limit", "30s", "--runtime-away-limit", "10s",
                "--check-every", "1s", .. Engine is null ? (string[])[] : ["--docker-host", Engine.Host],
            ],
            environment,
            "ready drone");
    }

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

    private string RunDir => Path.Combine(_folder.Run, Name, "run");
}
