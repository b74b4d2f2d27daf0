using Plane.Bench.Roles;
using Plane.Testing;

namespace Plane.Bench.Benches;

/// <summary>From the command to its ready line, and what is resident a while later.</summary>
internal sealed class StartBench : IBench
{
    public string Name => "start";

    public async Task RunAsync(BenchContext context, Report report)
    {
        foreach (var role in (string[])["controller", "drone", "proxy"])
        {
            var resident = new List<double>();
            var measured = await context.InTurnsAsync(new Side(role, () => StartAsync(role, context.Round, resident)));
            report.Value($"start, {role}", $"{measured[0]} s", "", measured[0].Median, "s", 1.5);
            report.Value($"resident at rest, {role}", "", "", resident.Order().ElementAt(resident.Count / 2), "MB", 110);
        }
    }

    private static async Task<double> StartAsync(string role, TimeSpan rest, List<double> resident)
    {
        using var directory = new TempDirectory();
        await using var controller = role == "controller" ? null : await LaunchAsync("controller", directory, null);
        var gateway = controller is null ? null : (await controller.WaitForLineAsync(@"^ready .* gateway=(\S+)")).Groups[1].Value;
        var begun = TimeProvider.System.GetTimestamp();
        await using var program = await LaunchAsync(role, directory, gateway);
        await program.WaitForLineAsync($"^ready {role} ");
        var seconds = TimeProvider.System.GetElapsedTime(begun).TotalSeconds;
        await Task.Delay(rest);
        resident.Add(ProcessUse.Resident(program.Pid) / 1048576.0);
        await program.StopAsync();
        return seconds;
    }

    private static Task<RunningProgram> LaunchAsync(string role, TempDirectory directory, string? gateway) => RunningProgram.StartDotnetAsync(
        Checkout.Cli,
        role switch
        {
            "controller" => ["controller", "--db", $"sqlite:{directory["plane.db"]}", "--port", "0", "--gateway-port", "0"],
            "drone" => ["drone", "--gateway", gateway!, "--cluster", "localhost:1", "--state", directory["d.db"], "--run-dir", directory["run"], "--runtime", "process"],
            _ => ["proxy", "--gateway", gateway!, "--cluster", "localhost:1", "--port", "0", "--host", "127.0.0.1"],
        },
        name: role);
}
