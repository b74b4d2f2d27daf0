using Plane.Testing;

namespace Plane.Tests.Verdict;

/// <summary>A run under faults, as a test starts it.</summary>
internal static class ShortRun
{
    /// <summary>Fails unless the run's verdict is that no rule was broken; then its logs and records are where the test run's other logs are.</summary>
    public static async Task BreaksNoRuleAsync(string name, params string[] arguments)
    {
        using var directory = new TempDirectory();

        // The database runs as a user of its own, who has to get to its data.
        File.SetUnixFileMode(directory.Path, File.GetUnixFileMode(directory.Path) | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute);
        await using var chaos = await RunningProgram.StartDotnetAsync(Checkout.Chaos, [.. arguments, "--keep", directory["kept"]], name: name);
        var code = await chaos.WaitForExitAsync(TimeSpan.FromMinutes(6));
        if (code != 0)
        {
            var kept = Checkout.File(Path.Combine(".build", "test", name));
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
