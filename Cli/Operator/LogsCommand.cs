using System.CommandLine;
using System.Globalization;
using Plane.Cli.Output;
using Plane.Hosting;

namespace Plane.Cli.Operator;

/// <summary>Prints what a backend writes.</summary>
internal static class LogsCommand
{
    public static Command Create(OperatorContext context)
    {
        var backend = BackendCommands.BackendArgument();
        var follow = new Option<bool>("--follow", "-f") { Description = "Print new lines until the backend has ended." };
        var tail = new Option<int>("--tail")
        {
            Description = "How many of the last lines.",
            DefaultValueFactory = _ => 100,
            CustomParser = CommandValues.RequiredWholeNumber,
        };
        var since = new Option<DateTimeOffset?>("--since") { Description = "Only lines written at this time or later, as 2026-11-30T04:00Z." };
        var stream = new Option<string?>("--stream") { Description = "Only lines of this stream of a container: stdout or stderr." };
        var times = new Option<bool>("--times") { Description = "Print the time of each line before it." };
        var command = new Command("logs", "Print what a backend writes.") { backend, follow, tail, since, stream, times };
        context.SetAction(command, async (parsed, client, printer, cancellationToken) =>
        {
            var query = string.Create(CultureInfo.InvariantCulture, $"tail={parsed.GetValue(tail)}");
            query += parsed.GetValue(since) is { } from ? string.Create(CultureInfo.InvariantCulture, $"&since={from.ToUnixTimeMilliseconds()}") : "";
            query += parsed.GetValue(stream) is { } wanted ? "&stream=" + Uri.EscapeDataString(wanted) : "";
            await foreach (var item in client.LogsAsync(parsed.GetValue(backend), query, parsed.GetValue(follow), cancellationToken).ConfigureAwait(false))
            {
                if (item.Problem is { } problem)
                {
                    printer.Problem(problem);
                    return ExitCodes.Refused;
                }

                Print(printer, item.Line!, parsed.GetValue(times));
            }

            return ExitCodes.Done;
        });
        return command;
    }

    private static void Print(Printer printer, OutputLine line, bool withTime)
    {
        if (printer.IsJson)
        {
            printer.JsonLine(line);
            return;
        }

        if (line.Dropped != 0)
        {
            printer.Note(line.Dropped < 0
                ? "plane: lines were dropped here: this reader was too slow for them"
                : string.Create(CultureInfo.InvariantCulture, $"plane: {line.Dropped} {(line.Dropped == 1 ? "line was" : "lines were")} dropped here: this reader was too slow for {(line.Dropped == 1 ? "it" : "them")}"));
        }

        var time = withTime ? (line.Time is { } known ? Printer.Time(known) : "(time not known)") + "  " : "";
        printer.Raw(time + TerminalText.Of(line.Text, keepColours: printer.IsTerminal) + (line.Cut ? " [cut]" : ""));
    }
}
