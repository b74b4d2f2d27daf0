using System.CommandLine;
using System.Globalization;
using Microsoft.AspNetCore.WebUtilities;
using Plane.Cli.Output;
using Plane.Hosting;

namespace Plane.Cli.Operator;

/// <summary><c>plane service</c>: named spawn configs, the addresses of their sessions, and who may enter.</summary>
internal static class ServiceCommands
{
    public static Command Create(OperatorContext context) =>
        new("service", "Make, change, list and delete services: named spawn configs with one stable address for each key.")
        {
            Set(context),
            List(context),
            Show(context),
            Delete(context),
            Url(context),
            SigningKeyCommands.Create(context),
        };

    internal static Argument<ServiceName> ServiceArgument() => new("SERVICE") { Description = "The service's name.", CustomParser = CommandValues.RequiredName<ServiceName> };

    private static Command Set(OperatorContext context)
    {
        var service = ServiceArgument();
        var flags = new ServiceFlags();
        var command = flags.AddTo(new Command("set", "Make a service, or replace what it is. Backends that run are not affected.") { service });
        context.SetAction(command, async (parsed, client, printer, cancellationToken) =>
        {
            var details = await client.PutServiceAsync(parsed.GetValue(service), flags.Bind(parsed), cancellationToken).ConfigureAwait(false);
            Print(printer, details);
            return ExitCodes.Done;
        });
        return command;
    }

    private static Command List(OperatorContext context)
    {
        var command = new Command("list", "List the services.");
        context.AddWideTo(command);
        context.AddWatchTo(command);
        context.SetAction(command, async (_, client, printer, cancellationToken) =>
        {
            var list = await client.ServicesAsync(cancellationToken).ConfigureAwait(false);
            if (printer.IsJson)
            {
                printer.Json(list);
                return ExitCodes.Done;
            }

            printer.Table(
                [
                    new("service"), new("backends"), new("warm", Leaves: 4), new("access", Leaves: 3, Shortens: true), new("runs", Shortens: true), new("version", Leaves: 2),
                    new("updated", Leaves: 1),
                ],
                [.. list.Services.Select(s => new[]
                {
                    s.Name.Value,
                    Of(s.Backends, s.MaxBackends),
                    s.Warm is { } warm ? Of(warm.Ready, warm.Count) : "",
                    s.Access.ToString(),
                    s.Executable,
                    s.Version.ToString(CultureInfo.InvariantCulture),
                    s.UpdatedAt.ToString("u", CultureInfo.InvariantCulture),
                })],
                "no services");
            return ExitCodes.Done;
        });
        return command;
    }

    private static Command Show(OperatorContext context)
    {
        var service = ServiceArgument();
        var command = new Command("show", "Print a service, and how much runs for it.") { service };
        context.AddWatchTo(command);
        context.SetAction(command, async (parsed, client, printer, cancellationToken) =>
        {
            Print(printer, await client.ServiceAsync(parsed.GetValue(service), cancellationToken).ConfigureAwait(false));
            return ExitCodes.Done;
        });
        return command;
    }

    private static Command Delete(OperatorContext context)
    {
        var service = ServiceArgument();
        var keep = new Option<bool>("--keep") { Description = "Let its backends run to their own end." };
        var command = new Command("delete", "Delete a service with its keys; its backends are ended gracefully.") { service, keep };
        context.SetAction(command, async (parsed, client, printer, cancellationToken) => BackendCommands.Answer(
            printer, await client.DeleteServiceAsync(parsed.GetValue(service), parsed.GetValue(keep), cancellationToken).ConfigureAwait(false), "deleted"));
        return command;
    }

    private static Command Url(OperatorContext context)
    {
        var service = ServiceArgument();
        var key = new Option<string>("--key") { Description = "The key's name.", HelpName = "NAME", Required = true };
        var keyNamespace = new Option<string?>("--namespace") { Description = "The key's namespace.", HelpName = "NAME" };
        var cluster = new Option<string?>("--cluster") { Description = "The cluster; the service's, or the controller's default, where not given.", HelpName = "NAME" };
        var command = new Command("url", "Print the address of a key's session, whether it runs or not.") { service, key, keyNamespace, cluster };
        context.SetAction(command, async (parsed, client, printer, cancellationToken) =>
        {
            var query = QueryHelpers.AddQueryString("", new Dictionary<string, string?>
            {
                ["key"] = parsed.GetValue(key),
                ["namespace"] = parsed.GetValue(keyNamespace),
                ["cluster"] = parsed.GetValue(cluster),
            });
            var address = await client.ServiceUrlAsync(parsed.GetValue(service), query, cancellationToken).ConfigureAwait(false);
            if (printer.IsJson)
            {
                printer.Json(address);
            }
            else
            {
                printer.Raw(Printer.Plain(address.Url));
            }

            return ExitCodes.Done;
        });
        return command;
    }

    private static void Print(Printer printer, ServiceDetails service)
    {
        if (printer.IsJson)
        {
            printer.Json(service);
            return;
        }

        var spawn = service.SpawnConfig;
        printer.Facts([
            ("service", service.Name.Value),
            ("version", service.Version.ToString(CultureInfo.InvariantCulture)),
            ("runs", spawn.Executable.ToString()),
            ("access", service.Access.ToString()),
            ("backends", Of(service.Backends, service.MaxBackends)),
            ("warm", service.Warm is { } warm ? Warm(warm) : null),
            ("cluster", spawn.Cluster),
            ("pool", spawn.Pool.Length > 0 ? spawn.Pool : null),
            ("max idle", spawn.MaxIdleSeconds is { } idle ? $"{idle} s" : null),
            ("lifetime", spawn.LifetimeLimitSeconds is { } lifetime ? $"{lifetime} s" : null),
            ("prepull", service.Prepull ? "yes" : null),
            ("created", Printer.Time(service.CreatedAt)),
            ("updated", Printer.Time(service.UpdatedAt)),
            .. (service.Images ?? []).Select(i => ($"image on {i.Drone}", (string?)Image(i))),
        ]);
    }

    private static string Image(ServiceImage image) => image.Status switch
    {
        ImageStatus.Pulling when image.Percent is { } percent => string.Create(CultureInfo.InvariantCulture, $"pulling, {percent} %"),
        ImageStatus.Failed => $"failed: {image.Reason ?? "without a reason"}",
        var status => status.ToString().ToLowerInvariant(),
    };

    private static string Of(int count, int? most) =>
        most is { } bound ? string.Create(CultureInfo.InvariantCulture, $"{count} of {bound}") : count.ToString(CultureInfo.InvariantCulture);

    private static string Warm(WarmState warm) =>
        string.Create(CultureInfo.InvariantCulture, $"{warm.Ready} of {warm.Count} ready, {warm.Starting} starting; claimed by {warm.ClaimPath ?? "no request"}");
}
