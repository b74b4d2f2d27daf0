using System.CommandLine;
using System.Globalization;
using Plane.Cli.Output;
using Plane.Hosting.Configuration;
using Plane.Hosting;

namespace Plane.Cli.Operator;

/// <summary>Commands about the controller, drones and clusters.</summary>
internal static class ClusterCommands
{
    private const long SilentAfter = 60_000;

    public static IEnumerable<Command> Create(OperatorContext context)
    {
        yield return Status(context);
        yield return State(context);
        yield return Drain(context, drain: true);
        yield return Drain(context, drain: false);
        yield return EventsCommand.Create(context);
        yield return TopCommand.Create(context);
    }

    private static Command Status(OperatorContext context)
    {
        var command = new Command("status", "Print whether the controller and its database answer.");
        context.SetAction(command, async (_, client, printer, cancellationToken) =>
        {
            var status = await client.StatusAsync(cancellationToken).ConfigureAwait(false);
            if (printer.IsJson)
            {
                printer.Json(status);
                return ExitCodes.Done;
            }

            string? Read(string name) => status.TryGetProperty(name, out var value) ? value.ToString() : null;
            printer.Facts(("controller", client.Controller.AbsoluteUri), ("answers", Read("status")), ("version", Read("version")), ("hash", Read("hash")));
            return ExitCodes.Done;
        });
        return command;
    }

    private static Command State(OperatorContext context)
    {
        var cluster = new Argument<ClusterName>("CLUSTER") { Description = "The cluster.", CustomParser = CommandValues.RequiredName<ClusterName> };
        var command = new Command("cluster-state", "Print a cluster's drones and proxies.") { cluster };
        context.AddWideTo(command);
        context.AddWatchTo(command);
        context.SetAction(command, async (parsed, client, printer, cancellationToken) =>
        {
            var name = parsed.GetValue(cluster);
            var state = await client.ClusterStateAsync(name, cancellationToken).ConfigureAwait(false);
            var isKnown = state.Drones.Length + state.Proxies.Length > 0;
            if (printer.IsJson)
            {
                printer.Json(state);
            }
            else if (isKnown)
            {
                Print(printer, state);
            }

            if (!isKnown)
            {
                printer.Problem($"no drone and no proxy is registered in cluster {name}: is the name right, and do drones and proxies run with --cluster {name}?");
            }

            return isKnown ? ExitCodes.Done : ExitCodes.Refused;
        });
        return command;
    }

    internal static void PrintDrones(Printer printer, ClusterState state)
    {
        printer.Table(
            [
                new("drone"), new("state"), new("pool", Leaves: 3, Shortens: true), new("backends", Leaves: 9), new("runs", Leaves: 5),
                new("heartbeat", Leaves: 6), new("version", Leaves: 2), new("controller", Leaves: 1),
                new("cpu", Leaves: 8), new("memory", Leaves: 7), new("disk", Leaves: 4), new("gpus", Leaves: 4),
            ],
            [.. state.Drones.Select(d => new[]
            {
                d.Node.Name,
                StateText(d),
                d.Pool,
                string.Create(CultureInfo.InvariantCulture, $"{d.BackendCount} of {d.MaxBackends}"),
                string.Join(' ', d.Kinds.Select(KindText).Concat(d.UnavailableKinds.Select(k => $"({KindText(k)} unavailable)"))),
                Printer.Age(d.LastHeartbeatAge) + " ago",
                d.Node.PlaneVersion,
                d.Node.Controller,
                Of(d, a => a.CpuMillis, n => (n / 1000.0).ToString("0.##", CultureInfo.InvariantCulture)),
                Of(d, a => a.MemoryBytes, n => new ByteSize(n).ToString()),
                Of(d, a => a.DiskBytes, n => new ByteSize(n).ToString()),
                Of(d, a => a.Gpus, n => n.ToString(CultureInfo.InvariantCulture)),
            })],
            "no drones");
    }

    private static void Print(Printer printer, ClusterState state)
    {
        PrintDrones(printer, state);
        printer.Note("");
        printer.Table(
            [new("proxy"), new("version"), new("controller", Leaves: 1)],
            [.. state.Proxies.Select(p => new[] { p.Name, p.PlaneVersion, p.Controller })],
            "no proxies");
    }

    // What is reserved of what there is; nothing where the drone does not say, or has none.
    private static string Of(DroneState drone, Func<ResourceAmounts, long> amount, Func<long, string> text) =>
        drone.Capacity is { } capacity && amount(capacity) is > 0 and var has ? $"{text(amount(drone.Reserved))} of {text(has)}" : "";

    // Any drone that runs sends a heartbeat every few seconds, so that one without for a minute is not there.
    internal static string StateText(DroneState drone) =>
        (drone.Draining ? "draining" : drone.Ready ? "ready" : "not ready")
        + (drone is { Ready: false, LastHeartbeatAge: >= SilentAfter } ? $", silent for {Printer.Age(drone.LastHeartbeatAge)}" : "");

    private static string KindText(ExecutorKind kind) => kind.ToString().ToLowerInvariant();

    private static Command Drain(OperatorContext context, bool drain)
    {
        var drone = new Argument<DroneName>("DRONE") { Description = "The drone.", CustomParser = CommandValues.RequiredName<DroneName> };
        var cluster = new Option<ClusterName?>("--cluster")
        {
            Description = "Its cluster.",
            Required = true,
            CustomParser = CommandValues.Name<ClusterName>,
        };
        var terminate = new Option<bool>("--terminate") { Description = "Also end what runs there, gracefully." };
        var command = drain
            ? new Command("drain", "No new backends on a drone.") { drone, cluster, terminate }
            : new Command("undrain", "New backends on a drone again.") { drone, cluster };
        context.SetAction(command, async (parsed, client, printer, cancellationToken) =>
        {
            var ends = drain && parsed.GetValue(terminate);
            var answer = await client.DrainAsync(parsed.GetValue(cluster)!.Value, parsed.GetValue(drone), drain, ends, cancellationToken).ConfigureAwait(false);
            return BackendCommands.Answer(printer, answer, ends ? "draining, and ending what runs there" : drain ? "draining" : "taking new backends");
        });
        return command;
    }
}
