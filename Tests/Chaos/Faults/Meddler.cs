using Plane.Chaos.Parts;

namespace Plane.Chaos.Faults;

/// <summary>
/// An operator, or an operator's tool, who does with a drone's containers what the agent knows nothing of. Each command may fail: a container may be gone by
/// then, and an engine may be dead. What is made of it is what is judged.
/// </summary>
internal sealed class Meddler(ContainerEngine engine, Random random, Action<string> say)
{
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
                await DockerAsync("restart", "--time", "1", running);
                break;
            case 1:
                await DockerAsync("stop", "--time", "1", running);
                await wait();
                await DockerAsync("start", running);
                break;
            case 2:
                await DockerAsync("kill", running);
                await wait();
                await DockerAsync("start", running);
                break;
            case 3:
                await DockerAsync("pause", running);
                await wait();
                await DockerAsync("unpause", running);
                break;
            case 4:
                await DockerAsync("rename", running, $"renamed-{running}");
                break;
            case 5:
                await DockerAsync("update", "--restart=always", running);
                await DockerAsync("exec", running, "/bin/kill", "-9", "1");
                break;
            default:
                // What ended, however long ago.
                foreach (var ended in await ListAsync("exited"))
                {
                    await DockerAsync("start", ended);
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
        var (code, output) = await Tool.TryAsync("docker", ["--host", engine.Host, "ps", "--all", "--no-trunc", "--quiet", "--filter", $"status={state}", "--filter", "label=dev.plane.backend=true"]);
        return code == 0 ? [.. output.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).Order(StringComparer.Ordinal)] : [];
    }

    private async Task DockerAsync(params string[] arguments)
    {
        var (code, _) = await Tool.TryAsync("docker", ["--host", engine.Host, .. arguments]);
        say($"docker {string.Join(' ', arguments.Select(a => a.Length == 64 ? a[..12] : a))}: {(code == 0 ? "done" : "refused")}");
    }
}
