using System.CommandLine;
using System.Globalization;
using Plane.Cli.Output;
using Plane.Client;
using Plane.Hosting;

namespace Plane.Cli.Operator;

/// <summary>Shows drones and the busiest backends, again and again.</summary>
internal static class TopCommand
{
    private static readonly TimeSpan s_every = TimeSpan.FromSeconds(2);

    public static Command Create(OperatorContext context)
    {
        var cluster = new Option<ClusterName?>("--cluster") { Description = "Only this cluster.", CustomParser = CommandValues.Name<ClusterName> };
        var once = new Option<bool>("--once") { Description = "Print once, and not again every 2 s. So it is where the output is not a terminal." };
        var command = new Command("top", "Show drones and the busiest backends, live.") { cluster, once };
        context.AddWideTo(command);
        context.SetAction(command, async (parsed, client, printer, cancellationToken) =>
        {
            var isLive = printer.IsTerminal && !parsed.GetValue(once);
            for (var isShown = false; ; isShown = true)
            {
                try
                {
                    Show(printer, await ReadAsync(client, parsed.GetValue(cluster), cancellationToken).ConfigureAwait(false));
                }
                catch (Exception e) when (isLive && isShown && OperatorContext.IsOfTheMoment(e))
                {
                    printer.Problem(OperatorContext.InFlags(e));
                }

                if (!isLive)
                {
                    return ExitCodes.Done;
                }

                await Task.Delay(s_every, TimeProvider.System, cancellationToken).ConfigureAwait(false);
            }
        });
        return command;
    }

    private static async Task<List<(ClusterName Name, ClusterState State, BusyBackend[] Busy)>> ReadAsync(ControllerClient client, ClusterName? only, CancellationToken cancellationToken)
    {
        ClusterName[] clusters = only is { } one ? [one] : await client.ClustersAsync(cancellationToken).ConfigureAwait(false);
        var views = new List<(ClusterName Name, ClusterState State, BusyBackend[] Busy)>();
        foreach (var name in clusters)
        {
            views.Add((
                name,
                await client.ClusterStateAsync(name, cancellationToken).ConfigureAwait(false),
                await client.BusiestAsync(name, cancellationToken).ConfigureAwait(false)));
        }

        return views;
    }

    private static void Show(Printer printer, List<(ClusterName Name, ClusterState State, BusyBackend[] Busy)> views)
    {
        if (printer.IsJson)
        {
            printer.JsonLine(views.Select(v => new { cluster = v.Name, state = v.State, busiest = v.Busy }));
            return;
        }

        printer.Clear();
        if (views.Count == 0)
        {
            printer.Note("no drone and no proxy has registered");
        }

        foreach (var (name, state, busy) in views)
        {
            printer.Note($"cluster {name}");
            ClusterCommands.PrintDrones(printer, state);
            printer.Note("");
            printer.Table(
                [new("backend"), new("cpu"), new("memory"), new("drone", Leaves: 1)],
                [.. busy.Select(b => new[]
                {
                    b.BackendId.Value,
                    b.Cpus.ToString("0.00", CultureInfo.InvariantCulture),
                    string.Create(CultureInfo.InvariantCulture, $"{b.MemoryBytes / 1048576.0:0.0} MiB"),
                    b.Drone?.Value ?? "",
                })],
                "no backend was read yet: drones read every 10 s");
            printer.Note("");
        }
    }
}
