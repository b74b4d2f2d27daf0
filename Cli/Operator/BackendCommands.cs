using System.CommandLine;
using System.Globalization;
using Microsoft.AspNetCore.WebUtilities;
using Plane.Cli.Output;
using Plane.Hosting.Configuration;
using Plane.Hosting;

namespace Plane.Cli.Operator;

/// <summary>Commands about backends: status, list, details, termination, tokens, renewal.</summary>
internal static class BackendCommands
{
    public static IEnumerable<Command> Create(OperatorContext context)
    {
        yield return Status(context);
        yield return List(context);
        yield return Details(context);
        yield return Terminate(context);
        yield return Revoke(context);
        yield return PreventRenew(context);
        yield return LogsCommand.Create(context);
    }

    internal static Argument<BackendName> BackendArgument() => new("BACKEND")
    {
        Description = "The backend's name.",
        CustomParser = CommandValues.RequiredName<BackendName>,
    };

    private static Command Status(OperatorContext context)
    {
        var backend = BackendArgument();
        var follow = new Option<bool>("--follow") { Description = "Print each step until the backend has ended." };
        var command = new Command("backend-status", "Print the status of a backend.") { backend, follow };
        context.SetAction(command, async (parsed, client, printer, cancellationToken) =>
        {
            var name = parsed.GetValue(backend);
            if (!parsed.GetValue(follow))
            {
                printer.Step(await client.BackendStatusAsync(name, cancellationToken).ConfigureAwait(false));
                return ExitCodes.Done;
            }

            await foreach (var entry in client.FollowAsync(name, cancellationToken).ConfigureAwait(false))
            {
                printer.Step(entry);
            }

            return ExitCodes.Done;
        });
        return command;
    }

    private static Command List(OperatorContext context)
    {
        var cluster = new Option<ClusterName?>("--cluster") { Description = "Only this cluster's.", CustomParser = CommandValues.Name<ClusterName> };
        var status = new Option<string?>("--status") { Description = "Only in this state; live: all that have not ended." };
        var drone = new Option<DroneName?>("--drone") { Description = "Only this drone's.", CustomParser = CommandValues.Name<DroneName> };
        var key = new Option<string?>("--key") { Description = "Only of keys with this name." };
        var service = new Option<ServiceName?>("--service") { Description = "Only this service's.", CustomParser = CommandValues.Name<ServiceName> };
        var limit = new Option<int>("--limit")
        {
            Description = "How many at the most.",
            DefaultValueFactory = _ => 100,
            CustomParser = CommandValues.RequiredWholeNumber,
        };
        var cursor = new Option<string?>("--cursor") { Description = "Continue after an earlier page." };
        var command = new Command("backends", "List backends, newest first.") { cluster, status, drone, key, service, limit, cursor };
        context.AddWideTo(command);
        context.AddWatchTo(command);
        context.SetAction(command, async (parsed, client, printer, cancellationToken) =>
        {
            var query = QueryHelpers.AddQueryString("", new Dictionary<string, string?>
            {
                ["cluster"] = parsed.GetValue(cluster)?.Value,
                ["status"] = parsed.GetValue(status),
                ["drone"] = parsed.GetValue(drone)?.Value,
                ["key"] = parsed.GetValue(key),
                ["service"] = parsed.GetValue(service)?.Value,
                ["limit"] = parsed.GetValue(limit).ToString(CultureInfo.InvariantCulture),
                ["cursor"] = parsed.GetValue(cursor),
            });
            var page = await client.BackendsAsync(query, cancellationToken).ConfigureAwait(false);
            if (printer.IsJson)
            {
                printer.Json(page);
                return ExitCodes.Done;
            }

            printer.Table(
                [new("backend"), new("status"), new("key", Shortens: true), new("drone", Leaves: 3), new("cluster", Leaves: 1), new("created", Leaves: 2)],
                [.. page.Backends.Select(b => new[]
                {
                    b.BackendId.Value,
                    b.Status.WireName(),
                    KeyText(b.Key),
                    b.Drone.Value,
                    b.Cluster.Value,
                    b.CreatedAt.ToString("u", CultureInfo.InvariantCulture),
                })],
                "no backends");
            if (page.NextCursor is not null)
            {
                printer.Note($"more: --cursor {page.NextCursor}");
            }

            return ExitCodes.Done;
        });
        return command;
    }

    private static Command Details(OperatorContext context)
    {
        var backend = BackendArgument();
        var command = new Command("backend", "Print everything known of a backend.") { backend };
        context.SetAction(command, async (parsed, client, printer, cancellationToken) =>
        {
            var b = await client.BackendAsync(parsed.GetValue(backend), cancellationToken).ConfigureAwait(false);
            if (printer.IsJson)
            {
                printer.Json(b);
                return ExitCodes.Done;
            }

            printer.Facts(
                ("backend", b.BackendId.Value),
                ("status", b.Status.WireName()),
                ("key", KeyText(b.Key) + (b.HoldsKey ? "" : " (released)")),
                ("tag", b.Key.Tag.Length > 0 ? b.Key.Tag : null),
                ("fencing token", b.Key.FencingToken.ToString()),
                ("cluster", b.Cluster.Value),
                ("drone", b.Drone.Value),
                ("service", b.Service is { } service ? string.Create(CultureInfo.InvariantCulture, $"{service}, version {b.ServiceVersion}") : null),
                ("pool", b.Pool.Length > 0 ? b.Pool : null),
                ("runs", b.Image ?? "a process"),
                ("address", b.Address),
                ("subdomain", b.Subdomain),
                ("created", Time(b.CreatedAt)),
                ("last used", Time(b.LastUsedAt)),
                ("lease expires", b.HoldsKey ? Time(b.LeaseExpiresAt) : null),
                ("renewal", b.AllowRenew ? null : "prevented"),
                ("lifetime ends", Time(b.LifetimeEndsAt)),
                ("max idle", b.MaxIdleSeconds is { } idle ? $"{idle} s" : null),
                ("exit code", b.ExitCode?.ToString(CultureInfo.InvariantCulture)),
                ("message", b.Message));
            printer.Note("");
            printer.History(b.History);
            BackendEnd.PrintOutput(printer, b);
            return ExitCodes.Done;
        });
        return command;
    }

    private static Command Terminate(OperatorContext context)
    {
        var backend = BackendArgument();
        var hard = new Option<bool>("--hard") { Description = "Kill it, without its stop signal and grace." };
        var immediate = new Option<bool>("--immediate") { Description = "Return at once instead of when it has ended." };
        var command = new Command("terminate", "End a backend.") { backend, hard, immediate };
        context.SetAction(command, async (parsed, client, printer, cancellationToken) =>
        {
            var name = parsed.GetValue(backend);
            await client.TerminateAsync(name, parsed.GetValue(hard), cancellationToken).ConfigureAwait(false);
            if (parsed.GetValue(immediate))
            {
                return Answer(printer, new { backend_id = name, requested = true }, "asked to end");
            }

            StatusEntry? last = null;
            await ProgressView.ShowAsync(printer, async view =>
            {
                await foreach (var entry in client.FollowAsync(name, cancellationToken).ConfigureAwait(false))
                {
                    last = entry;
                    view.Status(entry.Status);
                }
            }).ConfigureAwait(false);
            if (last is not null)
            {
                printer.Step(last);
            }

            return ExitCodes.Done;
        });
        return command;
    }

    private static Command Revoke(OperatorContext context)
    {
        var backend = BackendArgument();
        var user = new Option<string?>("--user") { Description = "Revoke the tokens that this user was given." };
        var token = new Option<BearerToken?>("--token") { Description = "Revoke this token.", CustomParser = CommandValues.Name<BearerToken> };
        var all = new Option<bool>("--all") { Description = "Revoke all of the backend's tokens." };
        var command = new Command("revoke", "Revoke connection tokens: open connections made with them are cut.") { backend, user, token, all };
        context.SetAction(command, async (parsed, client, printer, cancellationToken) =>
        {
            var given = (parsed.GetValue(user) is null ? 0 : 1) + (parsed.GetValue(token) is null ? 0 : 1) + (parsed.GetValue(all) ? 1 : 0);
            if (given != 1)
            {
                throw new UsageException("give one of --user, --token and --all");
            }

            var body = new Dictionary<string, string?> { ["backend_id"] = parsed.GetValue(backend).Value };
            if (parsed.GetValue(user) is { } name)
            {
                body["user"] = name;
            }
            else if (parsed.GetValue(token) is { } one)
            {
                body["token"] = one.Value;
            }

            var answer = await client.RevokeAsync(body, cancellationToken).ConfigureAwait(false);
            return Answer(printer, answer, "revoked");
        });
        return command;
    }

    private static Command PreventRenew(OperatorContext context)
    {
        var backend = BackendArgument();
        var command = new Command("prevent-renew", "Forbid the renewal of a backend's key: it ends within a lease.") { backend };
        context.SetAction(command, async (parsed, client, printer, cancellationToken) =>
            Answer(printer, await client.PreventRenewAsync(parsed.GetValue(backend), cancellationToken).ConfigureAwait(false), "renewal prevented"));
        return command;
    }

    internal static int Answer<T>(Printer printer, T json, string text)
    {
        if (printer.IsJson)
        {
            printer.Json(json);
        }
        else
        {
            printer.Note(text);
        }

        return ExitCodes.Done;
    }

    private static string KeyText(KeyInfo key) => key.Namespace.Length > 0 ? $"{key.Namespace}/{key.Name}" : key.Name;

    private static string? Time(DateTimeOffset? time) => time is { } known ? Printer.Time(known) : null;
}
