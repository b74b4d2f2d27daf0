using System.Collections.Concurrent;
using System.Diagnostics;

namespace Plane.Testing;

/// <summary>
/// Starts processes that the kernel kills when this one dies (<c>setpriv --pdeathsig</c>, where util-linux has it). All of them from one
/// thread that lives as long as the process: the kernel's "parent" is the thread, and a pool thread may retire while its child runs.
/// </summary>
public static class ProcessStarter
{
    private static readonly BlockingCollection<Action> Starts = [];

    private static readonly string? Setpriv = new[] { "/usr/bin/setpriv", "/bin/setpriv" }.FirstOrDefault(File.Exists);

    static ProcessStarter()
    {
        var thread = new Thread(() =>
        {
            foreach (var start in Starts.GetConsumingEnumerable())
            {
                start();
            }
        })
        { IsBackground = true, Name = "process starter" };
        thread.Start();
    }

    /// <summary>Starts it, optionally as another user (only root may).</summary>
    public static async Task StartAsync(Process process, string? user = null)
    {
        var info = process.StartInfo;
        string[] prefix = user is null ? [] : ["--reuid", user, "--regid", user, "--init-groups"];
        if (Setpriv is not null)
        {
            string[] line = [.. prefix, "--pdeathsig", "KILL", "--", info.FileName, .. info.ArgumentList];
            info.FileName = Setpriv;
            info.ArgumentList.Clear();
            foreach (var argument in line)
            {
                info.ArgumentList.Add(argument);
            }
        }
        else if (user is not null)
        {
            throw new InvalidOperationException("setpriv (util-linux) is needed to run a program as another user.");
        }

        var started = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Starts.Add(() =>
        {
            try
            {
                process.Start();
                started.SetResult();
            }
            catch (Exception e)
            {
                started.SetException(e);
            }
        });
        await started.Task;
    }
}
