using System.Text;
using Plane.DroneHost.Runtimes.Output;
using Plane.DroneHost.Runtimes.Process;
using Plane.Testing;

namespace Plane.Tests.Runtimes;

public sealed class OutputCapTests
{
    private const int Limit = 64 * 1024;

    [Fact]
    public async Task On_a_full_disk_the_output_makes_room_and_its_positions_go_on()
    {
        using var disk = await SmallDisk.MountAsync();
        var files = new BackendFiles(disk["run"], new BackendIdentity(BackendName.NewRandom(), new FencingToken(7)));
        Directory.CreateDirectory(files.Directory);
        File.WriteAllBytes(files.Output, Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat("a line\n", 300_000))));
        disk.Fill();

        Assert.True(OutputCap.Enforce(files, Limit));

        Assert.Equal(0, new FileInfo(files.Output).Length);
        Assert.Equal(new OutputPlaces(2_100_000, 2_100_000, 300_000, 300_000, true), OutputPlaces.Read(files));
        Assert.False(OutputCap.Enforce(files, Limit));
        File.WriteAllBytes(disk["state"], new byte[1024 * 1024]);
    }

    [Theory]
    [InlineData("a line\n", 1)]
    [InlineData("a line", 0)]
    public void The_first_line_after_a_cut_is_shown_where_it_is_whole(string last, int shown)
    {
        using var directory = new TempDirectory();
        var files = new BackendFiles(directory["run"], new BackendIdentity(BackendName.NewRandom(), new FencingToken(7)));
        Directory.CreateDirectory(files.Directory);
        File.WriteAllText(files.Output, string.Concat(Enumerable.Repeat("a line\n", 300_000)) + last);
        Assert.True(OutputCap.Enforce(files, Limit));
        File.Delete(files.OlderOutput);
        File.AppendAllText(files.Output, "over\n");

        var lines = new List<OutputLine>();
        var reader = new ProcessLines(files, new OutputSelection { After = 0, Follow = true }, Limit, new Lock());
        while (reader.Read(lines, DateTimeOffset.UnixEpoch) > 0)
        {
        }

        Assert.Equal(Enumerable.Repeat("over", shown), lines.Select(l => l.Text));
    }

    [Fact]
    public async Task What_is_written_while_the_output_is_cut_is_kept()
    {
        const int Large = 128 * 1024 * 1024;
        using var directory = new TempDirectory();
        var files = new BackendFiles(directory["run"], new BackendIdentity(BackendName.NewRandom(), new FencingToken(7)));
        Directory.CreateDirectory(files.Directory);
        File.WriteAllBytes(files.Output, Enumerable.Repeat((byte)'\n', Large + 1).ToArray());
        var writing = Task.Run(async () =>
        {
            await Eventually.TrueAsync(() => File.Exists($"{files.OlderOutput}.new"), "the copying has begun");
            await File.AppendAllTextAsync(files.Output, "the last line\n");
        });

        Assert.True(OutputCap.Enforce(files, Large));
        await writing;

        Assert.EndsWith("the last line\n", (File.ReadAllText(files.OlderOutput) + File.ReadAllText(files.Output))[^100..], StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_agent_that_starts_on_a_disk_that_an_output_filled_runs_processes_again()
    {
        using var disk = await SmallDisk.MountAsync();
        var options = new ProcessRuntimeOptions { Directory = disk["run"], InstanceId = "di-full", OutputLimit = Limit, UseCgroups = false };
        var files = new BackendFiles(Path.Combine(disk["run"], "di-full"), new BackendIdentity(BackendName.NewRandom(), new FencingToken(7)));
        Directory.CreateDirectory(files.Directory);
        File.WriteAllBytes(files.Output, new byte[2 * 1024 * 1024]);
        disk.Fill();

        await using var runtime = new ProcessRuntime(options, TimeProvider.System, Microsoft.Extensions.Logging.Abstractions.NullLogger<ProcessRuntime>.Instance);
        await runtime.CheckAsync(default);
    }
}
