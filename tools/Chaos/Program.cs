using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Plane.Chaos.Parts;

namespace Plane.Chaos;

internal static class Program
{
    private const int Held = 0;
    private const int Violated = 1;
    private const int BadUsage = 2;
    private const int Broken = 3;

    private static async Task<int> Main(string[] arguments)
    {
        var (options, problem) = RunOptions.Parse(arguments);
        if (options is null)
        {
            await Console.Error.WriteLineAsync($"plane chaos: {problem}\n{RunOptions.Usage}");
            return BadUsage;
        }

        if (options.Judge is { } judged)
        {
            return ChaosRun.JudgeFolder(new Folder(judged), new Reporter("/dev/null")) ? Held : Violated;
        }

        if (Lacking() is { } lacking)
        {
            await Console.Error.WriteLineAsync($"plane chaos: {lacking}");
            return BadUsage;
        }

        return Sandbox.Inside is { } cgroup ? await InsideAsync(options, cgroup) : await OutsideAsync(options);
    }

    private static async Task<int> OutsideAsync(RunOptions options)
    {
        var seed = options.SeedGiven ?? RandomNumberGenerator.GetInt32(1_000_000);
        var folder = new Folder(options.Keep ?? Directory.CreateTempSubdirectory("plane-chaos-").FullName);
        folder.Create();
        var code = await Sandbox.RunAsync(options.Arguments(seed, folder.Path));
        if (options.Keep is null && code == Held)
        {
            Directory.Delete(folder.Path, recursive: true);
        }
        else
        {
            Console.WriteLine($"logs and records: {folder.Path}");
        }

        return code;
    }

    private static async Task<int> InsideAsync(RunOptions options, string cgroup)
    {
        using var stop = new CancellationTokenSource();
        void OnSignal(PosixSignalContext context)
        {
            context.Cancel = true;
            stop.Cancel();
        }

        using var term = PosixSignalRegistration.Create(PosixSignal.SIGTERM, OnSignal);
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, OnSignal);
        var folder = new Folder(options.Keep!);
        var reporter = new Reporter(folder.Report);
        var seed = options.SeedGiven!.Value;
        reporter.Write(string.Create(CultureInfo.InvariantCulture, $"seed {seed}"));
        try
        {
            await Tool.RunAsync("mount", ["-t", "tmpfs", "-o", "mode=755", "tmpfs", folder.Run]);
            Directory.CreateDirectory("/run/netns");
            await Tool.RunAsync("mount", ["-t", "tmpfs", "tmpfs", "/run/netns"]);
            await Tool.RunAsync("ip", ["link", "set", "lo", "up"]);
            if (options.Measure)
            {
                await new Measures(options, seed, folder, $"{cgroup}-docker", reporter).RunAsync(stop.Token);
                return Held;
            }

            if (options.Upgrade)
            {
                return await new Upgrade(options, seed, folder, $"{cgroup}-docker", reporter).RunAsync(stop.Token) ? Held : Violated;
            }

            return await new ChaosRun(options, seed, folder, $"{cgroup}-docker", reporter).RunAsync(stop.Token) ? Held : Violated;
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            reporter.Write("stopped before its end: no verdict");
            return Broken;
        }
        catch (Exception e)
        {
            // Nothing of the product was judged: that is another failure than a violation.
            reporter.Write($"the run itself failed: {e}");
            return Broken;
        }
    }

    /// <summary>What this machine lacks for a run, or null.</summary>
    private static string? Lacking()
    {
        if (Environment.UserName != "root")
        {
            return "only root may make namespaces, networks and mounts";
        }

        string[] needed = ["unshare", "nsenter", "setpriv", "setsid", "prlimit", "mount", "ip", "dockerd", "docker", "bash"];
        var path = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Concat(["/usr/sbin", "/sbin"]);
        var lacking = needed.Where(n => !path.Any(p => File.Exists(Path.Combine(p, n)))).ToList();
        return lacking.Count == 0 ? null : $"needed and not here: {string.Join(", ", lacking)} (Debian: util-linux, iproute2, docker.io)";
    }
}
