using System.Diagnostics;
using System.Text.Json;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging.Abstractions;
using Plane.Cli.Output;
using Plane.Client;
using Plane.DroneHost.Runtimes;
using Plane.DroneHost.Runtimes.Docker;
using Plane.Hosting.Running;
using Plane.Silo;
using Plane.Storage;

namespace Plane.Cli.Roles;

/// <summary>Brings the demo's board up through the HTTP API, as an application would, and says where it is.</summary>
internal sealed class DemoSession(DemoOptions options, IServiceProvider controller, ControllerOptions silo, IDroneStore store) : BackgroundService
{
    private static readonly ServiceName s_service = ServiceName.Parse("board");
    private static readonly TimeSpan s_poll = TimeSpan.FromMilliseconds(50);

    protected override async Task ExecuteAsync(CancellationToken stop)
    {
        var url = await SiloRole.WhenReadyAsync(controller).WaitAsync(stop).ConfigureAwait(false);
        if (options.Runtime == "docker")
        {
            await CheckDockerAsync(stop).ConfigureAwait(false);
        }

        var drone = await WaitForDroneAsync(stop).ConfigureAwait(false);
        var inContainer = drone.Kinds.Contains(ExecutorKind.Docker);
        Say(inContainer
            ? "Making the board's image (on this machine, without a registry) …"
            : options.Runtime == "process" ? "The board runs as a process." : "No Docker engine answers: the board runs as a process.");
        var executable = inContainer
            ? new Executable { Image = (await BoardScriptAsync("image", stop).ConfigureAwait(false)).Trim() }
            : new Executable { Command = JsonSerializer.Deserialize<string[]>(await BoardScriptAsync("command", stop).ConfigureAwait(false)) };

        using var client = new ControllerClient(url, token: null);

        // By a service, so that the address stays when the board has ended: opening it starts another one.
        var config = new ServiceConfig { SpawnConfig = new SpawnConfig { Executable = executable, MaxIdleSeconds = 3_600 }, Access = ServiceAccess.Public };
        await client.PutServiceAsync(s_service, JsonSerializer.SerializeToElement(config, PlaneJson.Http), stop).ConfigureAwait(false);
        var response = await client.ConnectAsync(new ConnectRequest { Key = new KeyConfig { Name = options.Key }, Service = s_service }, stop).ConfigureAwait(false);
        Say($"Connected to key {options.Key}: backend {response.BackendId}, fencing token {response.Key.FencingToken}.");
        await foreach (var entry in client.FollowAsync(response.BackendId, stop).ConfigureAwait(false))
        {
            Say("  " + entry.Status.WireName());
            if (entry.Status == BackendStatus.Ready)
            {
                break;
            }

            if (entry.Status == BackendStatus.Terminated)
            {
                var details = await client.BackendAsync(response.BackendId, stop).ConfigureAwait(false);
                throw new StartRefusedException(
                    $"the board {BackendEnd.Explain(details)}{(details.OutputTail is { } output ? $"\nthe last lines of its output:\n{output}" : "")}");
            }
        }

        Say("");
        Say("Open this in two browser windows and draw:");
        Say("");
        Say("    " + response.ServiceUrl);
        Say("");
        Say("Ctrl-C ends everything.");
    }

    /// <summary>A drone waits for an engine that is unavailable; a person who tries the demo would wait for nothing.</summary>
    private async Task CheckDockerAsync(CancellationToken stop)
    {
        var engine = new DockerRuntime(
            new DockerRuntimeOptions { Host = options.DockerHost, InstanceId = "demo", OutputDirectory = Path.GetFullPath(options.Data) }, TimeProvider.System, NullLogger<DockerRuntime>.Instance);
        await using (engine.ConfigureAwait(false))
        {
            try
            {
                await engine.CheckAsync(stop).ConfigureAwait(false);
            }
            catch (RuntimeUnavailableException e)
            {
                throw new StartRefusedException($"{e.Message} Start the engine, or run the demo with --runtime process.");
            }
        }
    }

    private static void Say(string line) => Console.Out.WriteLine(line);

    private async Task<DroneState> WaitForDroneAsync(CancellationToken stop)
    {
        while (true)
        {
            try
            {
                var state = await store.ReadClusterAsync(silo.DefaultCluster!.Value, stop).ConfigureAwait(false);
                if (state.Drones.FirstOrDefault(d => d.Ready) is { } ready)
                {
                    return ready;
                }
            }
            catch (StoreUnavailableException) when (!stop.IsCancellationRequested)
            {
                // The controller is still starting: retried below.
            }

            await Task.Delay(s_poll, TimeProvider.System, stop).ConfigureAwait(false);
        }
    }

    private static async Task<string> BoardScriptAsync(string what, CancellationToken stop)
    {
        var script = Path.Combine(
            Environment.GetEnvironmentVariable("PLANE_HOME") ?? throw new StartRefusedException("the demo runs from a checkout: start it by ./plane demo"),
            "demo",
            "board.sh");
        using var process = Process.Start(new ProcessStartInfo("bash", [script, what]) { RedirectStandardOutput = true, UseShellExecute = false })
            ?? throw new StartRefusedException("bash cannot be started: install it");
        try
        {
            var output = await process.StandardOutput.ReadToEndAsync(stop).ConfigureAwait(false);
            await process.WaitForExitAsync(stop).ConfigureAwait(false);
            return process.ExitCode == 0
                ? output
                : throw new StartRefusedException($"{script} {what} failed with exit code {process.ExitCode}; see its output above");
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw;
        }
    }
}
