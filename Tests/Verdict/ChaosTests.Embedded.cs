using Plane.Tests.Support;
using Xunit.Abstractions;

namespace Plane.Tests.Verdict;

/// <summary>A short chaos run. Alone: it is the one test that needs the machine for itself, since faults last as long as leases do.</summary>
[Collection(Name)]
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class ChaosTests(ITestOutputHelper output)
{
    public const string Name = "chaos";

    [Fact]
    public async Task An_installation_under_faults_breaks_no_rule()
    {
        using var directory = new TempDirectory();
        await using var chaos = await RunningProgram.StartDotnetAsync(
            Checkout.Chaos, ["--seed", "11", "--minutes", "1", "--scale", "0.2", "--keep", directory["kept"]], output, name: "chaos");
        var code = await chaos.WaitForExitAsync(TimeSpan.FromMinutes(6));
        if (code != 0)
        {
            // Every log of a failed run, where the run's other logs are.
            var kept = Checkout.File(Path.Combine(".build", "test", "chaos"));
            CopyFiles(directory["kept"], kept);
            Assert.Fail($"the run exited with {code}; its logs and records: {kept}. {chaos.Transcript()}");
        }

        Assert.Contains("verdict: no violation", chaos.Lines);
    }

    private static void CopyFiles(string from, string to)
    {
        foreach (var file in Directory.EnumerateFiles(from, "*", SearchOption.AllDirectories))
        {
            var copy = Path.Combine(to, Path.GetRelativePath(from, file));
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(file, copy, overwrite: true);
        }
    }
}
