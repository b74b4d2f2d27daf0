using Docker.DotNet;
using Docker.DotNet.Models;
using Plane.Chaos.Parts;

namespace Plane.Chaos.Faults;

/// <summary>
/// An operator, or an operator's tool, who does with a drone's containers what the agent knows nothing of. Each command may fail: a container may be gone by
/// then, and an engine may be dead. What is made of it is what is judged.
/// </summary>
internal sealed class Meddler(ContainerEngine engine, Random random, Action<string> say)
{
    private readonly IContainerOperations _containers = engine.Client.Containers;

    public async Task DoAsync(Func<Task> wait)
    {
        // All draws come first, so that a seed means the same whatever is there.
        var (what, which) = (random.Next(7), random.Next(1_000));
        if (await PickAsync("running", which) is not { } running)
        {
            return;
        }

        switch (what)
        {
            case 0:
                await TryAsync("restart", running, c => _containers.RestartContainerAsync(running, new ContainerRestartParameters { WaitBeforeKillSeconds = 1 }, c));
                break;
            case 1:
                await TryAsync("stop", running, c => _containers.StopContainerAsync(running, new ContainerStopParameters { WaitBeforeKillSeconds = 1 }, c));
                await wait();
                await StartAsync(running);
                break;
            case 2:
                await TryAsync("kill", running, c => _containers.KillContainerAsync(running, new ContainerKillParameters(), c));
                await wait();
                await StartAsync(running);
                break;
            case 3:
                await TryAsync("pause", running, c => _containers.PauseContainerAsync(running, c));
                await wait();
                await TryAsync("unpause", running, c => _containers.UnpauseContainerAsync(running, c));
                break;
            case 4:
                await TryAsync("rename", running, c => _containers.RenameContainerAsync(running, new ContainerRenameParameters { NewName = $"renamed-{running}" }, c));
                break;
            case 5:
                await TryAsync("update --restart=always", running, c => _containers.UpdateContainerAsync(
                    running, new ContainerUpdateParameters { RestartPolicy = new RestartPolicy { Name = RestartPolicyKind.Always } }, c));
                await TryAsync("(its process is killed)", running, async c =>
                {
                    // From outside: the engine takes it for an end by itself, and restarts it.
                    if ((await _containers.InspectContainerAsync(running, c)).State is { Pid: > 1 and var pid })
                    {
                        Signals.Send((int)pid, Signal.Kill);
                    }
                });
                break;
            default:
                // What ended, however long ago.
                foreach (var ended in await ListAsync("exited"))
                {
                    await StartAsync(ended);
                }

                break;
        }
    }

    /// <summary>One of those that run. The load ends and moves backends all the time, so for a moment there may be none.</summary>
    private async Task<string?> PickAsync(string state, int which)
    {
        for (var attempt = 0; attempt < 20; attempt++)
        {
            if (await ListAsync(state) is { Count: > 0 } all)
            {
                return all[which % all.Count];
            }

            await Task.Delay(TimeSpan.FromMilliseconds(200), TimeProvider.System);
        }

        return null;
    }

    private async Task<IReadOnlyList<string>> ListAsync(string state)
    {
        try
        {
            var all = await _containers.ListContainersAsync(new ContainersListParameters
            {
                All = true,
                Filters = new Dictionary<string, IDictionary<string, bool>>
                {
                    ["status"] = new Dictionary<string, bool> { [state] = true },
                    ["label"] = new Dictionary<string, bool> { ["dev.plane.backend=true"] = true },
                },
            });
            return [.. all.Select(c => c.ID).Order(StringComparer.Ordinal)];
        }
        catch (Exception e) when (e is DockerApiException || ContainerEngine.IsUnanswered(e))
        {
            return [];
        }
    }

    private Task StartAsync(string container) => TryAsync("start", container, c => _containers.StartContainerAsync(container, null, c));

    private async Task TryAsync(string what, string container, Func<CancellationToken, Task> call)
    {
        using var patience = new CancellationTokenSource(Tool.Patience, TimeProvider.System);
        string outcome;
        try
        {
            await call(patience.Token);
            outcome = "done";
        }
        catch (Exception e) when (e is DockerApiException || ContainerEngine.IsUnanswered(e))
        {
            outcome = e is DockerApiException ? "refused" : "not answered";
        }

        say($"docker {what} {container[..12]}: {outcome}");
    }
}
