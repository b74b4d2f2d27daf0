using System.CommandLine;
using System.Globalization;
using Plane.Cli.Output;
using Plane.Hosting;

namespace Plane.Cli.Operator;

/// <summary>Prints what happened to backends, drones and services.</summary>
internal static class EventsCommand
{
    public static Command Create(OperatorContext context)
    {
        var cluster = new Option<ClusterName?>("--cluster") { Description = "Only this cluster's.", CustomParser = CommandValues.Name<ClusterName> };
        var follow = new Option<bool>("--follow", "-f") { Description = "Print new events as they happen." };
        var after = new Option<string?>("--after") { Description = "Only events after the one with this id." };
        var limit = new Option<int>("--limit")
        {
            Description = "How many at the most, of those there are.",
            DefaultValueFactory = _ => 100,
            CustomParser = CommandValues.RequiredWholeNumber,
        };
        var command = new Command("events", "Print what happened to backends, drones and services, of the last day.") { cluster, follow, after, limit };
        context.SetAction(command, async (parsed, client, printer, cancellationToken) =>
        {
            var query = string.Create(CultureInfo.InvariantCulture, $"?limit={parsed.GetValue(limit)}");
            query += parsed.GetValue(cluster) is { } named ? $"&cluster={named}" : "";
            query += parsed.GetValue(after) is { } id ? "&after=" + Uri.EscapeDataString(id) : "";
            var page = await client.EventsAsync(query, cancellationToken).ConfigureAwait(false);
            if (page.Gap)
            {
                printer.Note("plane: events between that one and the first of these are no longer kept");
            }

            foreach (var happened in page.Events)
            {
                Print(printer, happened);
            }

            if (parsed.GetValue(follow))
            {
                await foreach (var happened in client.FollowEventsAsync(parsed.GetValue(cluster), page.Next, cancellationToken).ConfigureAwait(false))
                {
                    Print(printer, happened);
                }
            }

            return ExitCodes.Done;
        });
        return command;
    }

    /// <summary>What happened, in words.</summary>
    public static string What(ClusterEvent happened) => happened.Kind switch
    {
        ClusterEventKind.Backend => happened.Status?.WireName() + WhyOf(happened),
        ClusterEventKind.TokenRevoked => "token revoked",
        ClusterEventKind.DroneRegistered => "registered",
        ClusterEventKind.DroneDrained => "drained",
        ClusterEventKind.DroneUndrained => "takes new backends again",
        ClusterEventKind.Service => "service made or changed",
        ClusterEventKind.ServiceDeleted => "service deleted",
        _ => happened.Kind.ToString(),
    };

    private static string WhyOf(ClusterEvent happened)
    {
        var why = Printer.Why(new StatusEntry
        {
            Status = happened.Status ?? BackendStatus.Scheduled,
            Time = happened.Time,
            TerminationReason = happened.TerminationReason,
            TerminationKind = happened.TerminationKind,
            ExitError = happened.ExitError,
        });
        return why.Length > 0 ? $" ({why})" : "";
    }

    private static void Print(Printer printer, ClusterEvent happened)
    {
        if (printer.IsJson)
        {
            printer.JsonLine(happened);
            return;
        }

        string?[] fields =
        [
            Printer.Time(happened.Time),
            happened.BackendId?.Value ?? happened.Drone?.Value ?? happened.Service?.Value,
            What(happened),
            happened.BackendId is null ? null : happened.Key is { } key ? "key " + key.Name : null,
            happened.BackendId is null ? null : happened.Drone?.Value,
        ];
        printer.Raw(string.Join(printer.IsTerminal ? "  " : "\t", fields.OfType<string>().Select(Printer.Plain)));
    }
}
