using System.CommandLine;
using System.Globalization;
using Plane.Cli.Output;
using Plane.Hosting;

namespace Plane.Cli.Operator;

/// <summary>Commands about the controller, drones and clusters.</summary>
internal static class ClusterCommands
{
    public static IEnumerable<Command> Create(OperatorContext context)
    {
        yield return Status(context);
        yield return State(context);
        yield return Drain(context, drain: true);
        yield return Drain(context, drain: false);
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
        context.SetAction(command, async (parsed, client, printer, cancellationToken) =>
        {
            var state = await client.ClusterStateAsync(parsed.GetValue(cluster), cancellationToken).ConfigureAwait(false);
            if (printer.IsJson)
            {
                printer.Json(state);
                return ExitCodes.Done;
            }

            printer.Table(
                ["drone", "state", "pool", "backends", "runs", "heartbeat", "version", "controller"],
                [.. state.Drones.Select(d => new[]
                {
                    d.Node.Name,
                    d.Draining ? "draining" : d.Ready ? "ready" : "not ready",
                    d.Pool,
                    string.Create(CultureInfo.InvariantCulture, $"{d.BackendCount} of {d.MaxBackends}"),
                    string.Join(' ', d.Kinds.Select(k => k.ToString().ToLowerInvariant())),
                    Printer.Age(d.LastHeartbeatAge) + " ago",
                    d.Node.PlaneVersion,
                    d.Node.Controller,
                })],
                "no drones");
            printer.Note("");
            printer.Table(
                ["proxy", "version", "controller"],
                [.. state.Proxies.Select(p => new[] { p.Name, p.PlaneVersion, p.Controller })],
                "no proxies");
            return ExitCodes.Done;
        });
        return command;
    }

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
