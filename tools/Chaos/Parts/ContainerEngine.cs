using System.Net.Sockets;
using Docker.DotNet;

namespace Plane.Chaos.Parts;

/// <summary>
/// A Docker engine of one drone's own, in that drone's network, with its own data, socket and bridge. It may be killed: the machine's engine has no part in this.
/// </summary>
internal sealed class ContainerEngine(Folder folder, string drone, string cgroup, bool liveRestore)
{
    private readonly string _directory = Path.Combine(folder.Run, drone, "docker");

    public Part Part { get; private set; } = null!;

    public string Host => $"unix://{Path.Combine(_directory, "sock")}";

    /// <summary>Its API, as an operator's tools call it.</summary>
    public DockerClient Client => field ??= new DockerClientBuilder().WithEndpoint(new Uri(Host)).WithTimeout(Tool.Patience).Build();

    /// <summary>The judge's image there.</summary>
    public string Image { get; private set; } = "";

    public async Task StartAsync()
    {
        Directory.CreateDirectory(_directory);
        Part = new Part(
            $"dockerd-{drone}",
            Path.Combine(folder.Logs, $"dockerd-{drone}.log"),
            () =>
            [
                "nsenter", $"--net=/run/netns/{drone}", "dockerd", "--host", Host, "--data-root", Path.Combine(_directory, "data"), "--exec-root", Path.Combine(_directory, "exec"),
                "--pidfile", Path.Combine(_directory, "pid"), "--cgroup-parent", $"/{cgroup}", "--exec-opt", "native.cgroupdriver=cgroupfs", "--storage-driver", "overlay2",
                "--log-level", "warn", .. liveRestore ? (string[])["--live-restore"] : [],
            ],
            new Dictionary<string, string>(),
            "API listen on");
        Part.Start();
        await AnswersAsync();
    }

    public async Task ImportAsync()
    {
        var output = await Tool.RunAsync(
            "/bin/bash",
            [Checkout.File("demo/image.sh"), "plane-judge", Path.GetDirectoryName(Checkout.Judge)!, "judge.dll"],
            new Dictionary<string, string>
            {
                ["DOCKER_HOST"] = Host,
                // Root, because what it writes to belongs to the user that runs the drone.
                ["IMAGE_USER"] = "0:0",
                ["TMPDIR"] = folder.Run,
                ["PATH"] = $"{Path.GetDirectoryName(Checkout.Dotnet)}:{Environment.GetEnvironmentVariable("PATH")}",
            });
        Image = output.Split('\n')[^1];
    }

    /// <summary>Starts it again after its death; the pid file of a killed one would keep it from starting.</summary>
    public void Again()
    {
        File.Delete(Path.Combine(_directory, "pid"));
        Part.Start();
    }

    /// <summary>Whether a call failed because the engine is dead, dies or stands still.</summary>
    public static bool IsUnanswered(Exception e) => e is HttpRequestException or IOException or SocketException or OperationCanceledException;

    private async Task AnswersAsync()
    {
        for (var attempt = 0; attempt < 300; attempt++)
        {
            try
            {
                await Client.System.PingAsync();
                return;
            }
            catch (Exception e) when (IsUnanswered(e))
            {
                // It is starting.
            }

            await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System);
        }

        throw new InvalidOperationException($"the container engine of {drone} does not answer:\n{Part.Tail()}");
    }
}
