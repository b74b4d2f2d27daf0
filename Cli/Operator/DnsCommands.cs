using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Net;
using Plane.Cli.Output;
using Plane.DnsHost.Check;
using Plane.Hosting.Configuration;
using Plane.Hosting;

namespace Plane.Cli.Operator;

/// <summary><c>plane dns txt</c> and <c>plane dns check</c>: what an operator does with the DNS of a cluster.</summary>
internal static class DnsCommands
{
    private const string ResolverFile = "/etc/resolv.conf";

    public static IEnumerable<Command> Create(OperatorContext context)
    {
        var txt = new Command("txt", "Set, clear and list the TXT values of a cluster by hand, as another ACME client needs it.")
        {
            Set(context),
            Clear(context),
            List(context),
        };
        context.AddTo(txt);
        yield return txt;
        yield return Check();
    }

    private static Option<ClusterName?> ClusterOption() => new("--cluster")
    {
        Description = "The cluster, as example.com.",
        HelpName = "NAME",
        Required = true,
        CustomParser = CommandValues.Name<ClusterName>,
    };

    private static Option<string> OwnerOption() => new("--owner")
    {
        Description = "The owner of the values; values of different owners do not replace each other.",
        HelpName = "NAME",
        DefaultValueFactory = _ => "operator",
    };

    private static Command Set(OperatorContext context)
    {
        var values = new Argument<string[]>("VALUE") { Description = "The values, each at most 255 characters.", Arity = ArgumentArity.OneOrMore };
        var cluster = ClusterOption();
        var owner = OwnerOption();
        var add = new Option<bool>("--add") { Description = "Beside the owner's earlier values, not in their place." };
        var command = new Command("set", "Set TXT values for 10 minutes. A value that begins with a hyphen is given behind --.") { values, cluster, owner, add };
        context.SetAction(command, async (parsed, client, printer, cancellationToken) =>
        {
            var change = new TxtRequest { Owner = parsed.GetValue(owner)!, Values = parsed.GetValue(values)!, Add = parsed.GetValue(add) };
            return Print(printer, await client.SetTxtAsync(parsed.GetValue(cluster)!.Value, change, cancellationToken).ConfigureAwait(false));
        });
        return command;
    }

    private static Command Clear(OperatorContext context)
    {
        var cluster = ClusterOption();
        var owner = OwnerOption();
        var command = new Command("clear", "Clear an owner's TXT values.") { cluster, owner };
        context.SetAction(command, async (parsed, client, printer, cancellationToken) =>
        {
            var change = new TxtRequest { Owner = parsed.GetValue(owner)!, Values = [] };
            return Print(printer, await client.SetTxtAsync(parsed.GetValue(cluster)!.Value, change, cancellationToken).ConfigureAwait(false));
        });
        return command;
    }

    private static Command List(OperatorContext context)
    {
        var cluster = ClusterOption();
        var command = new Command("list", "List the current TXT values by owner.") { cluster };
        context.SetAction(command, async (parsed, client, printer, cancellationToken) =>
            Print(printer, await client.TxtAsync(parsed.GetValue(cluster)!.Value, cancellationToken).ConfigureAwait(false)));
        return command;
    }

    private static int Print(Printer printer, TxtResponse state)
    {
        if (printer.IsJson)
        {
            printer.Json(state);
            return ExitCodes.Done;
        }

        printer.Table(
            [new("owner", Shortens: true), new("value"), new("expires in", Leaves: 1)],
            [
                .. state.Owners.SelectMany(o => o.Values.Select(v => new[] { o.Owner, v, string.Create(CultureInfo.InvariantCulture, $"{o.ExpiresIn:0} s") })),
            ],
            "no values");
        return ExitCodes.Done;
    }

    private static Command Check()
    {
        var cluster = ClusterOption();
        var zone = new Option<string?>("--zone") { Description = "The zone of plane dns; where not given, as the cluster's CNAME record says.", HelpName = "ZONE" };
        var resolver = new Option<IPEndPoint?>("--resolver")
        {
            Description = $"The resolver to ask, as 9.9.9.9 or [2620:fe::fe]:53; where not given, the first of {ResolverFile}.",
            HelpName = "ADDRESS",
            CustomParser = Resolver,
        };
        var port = new Option<int>("--port")
        {
            Description = "The port of name servers that are asked directly.",
            DefaultValueFactory = _ => 53,
            CustomParser = CommandValues.RequiredWholeNumber,
        };
        var authority = new Option<string>("--ca")
        {
            Description = "The certification authority's domain in CAA records.",
            HelpName = "DOMAIN",
            DefaultValueFactory = _ => "letsencrypt.org",
        };
        var json = new Option<bool>("--json") { Description = "Print JSON." };
        var command = new Command("check", "Say which DNS records of a cluster are right, wrong or missing, and what to set.") { cluster, zone, resolver, port, authority, json };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var printer = new Printer(Console.Out, Console.Error, parsed.GetValue(json), !Console.IsOutputRedirected);
            try
            {
                var request = new DnsCheckRequest
                {
                    Cluster = parsed.GetValue(cluster)!.Value,
                    Zone = parsed.GetValue(zone),
                    Resolver = parsed.GetValue(resolver) ?? SystemResolver(),
                    Port = parsed.GetValue(port),
                    Authority = parsed.GetValue(authority)!,
                };
                if (string.Join(Environment.NewLine, request.Problems()) is { Length: > 0 } problems)
                {
                    throw new UsageException(problems);
                }

                return Print(printer, await DnsCheck.RunAsync(request, cancellationToken).ConfigureAwait(false));
            }
            catch (UsageException e)
            {
                printer.Problem(e.Message);
                return ExitCodes.Usage;
            }
            catch (ResolverUnreachableException e)
            {
                printer.Problem(e.Message);
                return ExitCodes.Unreachable;
            }
        });
        return command;
    }

    private static int Print(Printer printer, IReadOnlyList<Finding> findings)
    {
        var isRight = findings.All(f => f.Kind == FindingKind.Right);
        if (printer.IsJson)
        {
            printer.Json(findings);
        }
        else
        {
            PrintFindings(printer, findings);
            foreach (var toDo in findings.Select(f => f.ToDo).OfType<string>().Distinct())
            {
                printer.Note("to do: " + toDo);
            }

            if (isRight)
            {
                printer.Note("everything is right");
            }
        }

        return isRight ? ExitCodes.Done : ExitCodes.Refused;
    }

    // What was seen is a sentence: on a terminal it has lines of its own.
    private static void PrintFindings(Printer printer, IReadOnlyList<Finding> findings)
    {
        if (printer.IsTerminal)
        {
            foreach (var finding in findings)
            {
                printer.Facts((finding.Kind.ToString().ToLowerInvariant().PadRight(10), finding.Subject), ("", finding.Said));
            }
        }
        else
        {
            printer.Table([new("is"), new("what"), new("seen")], [.. findings.Select(f => new[] { f.Kind.ToString().ToLowerInvariant(), f.Subject, f.Said })], "nothing");
        }
    }

    private static IPEndPoint? Resolver(ArgumentResult result)
    {
        var text = result.Tokens.Count > 0 ? result.Tokens[^1].Value : "";
        if (IPAddress.TryParse(text, out var address))
        {
            return new IPEndPoint(address, 53);
        }

        if (IPEndPoint.TryParse(text, out var at) && at.Port != 0)
        {
            return at;
        }

        result.AddError("--resolver: must be an address such as 9.9.9.9, 9.9.9.9:53 or [2620:fe::fe]:53");
        return null;
    }

    private static IPEndPoint SystemResolver()
    {
        try
        {
            foreach (var line in File.ReadLines(ResolverFile))
            {
                var words = line.Split((char[])[' ', '\t'], StringSplitOptions.RemoveEmptyEntries);
                if (words is ["nameserver", var text, ..] && IPAddress.TryParse(text, out var address))
                {
                    return new IPEndPoint(address, 53);
                }
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UsageException($"{ResolverFile}: {e.Message}; give a resolver with --resolver");
        }

        throw new UsageException($"{ResolverFile} names no resolver; give one with --resolver");
    }
}
