using System.Globalization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Plane.Grains.Keys;
using Plane.Grains.Services;
using Plane.Silo.Dashboard.Pages;
using Plane.Storage;

namespace Plane.Silo.Dashboard;

/// <summary>The form that connects.</summary>
internal static class ConnectHandlers
{
    private static readonly string[] s_fields = ["name", "service", "cluster", "pool", "image", "command", "idle", "user"];

    public static async Task<IResult> AskAsync(HttpContext http, [FromServices] IDroneStore drones, [FromServices] IServiceStore serviceStore, CancellationToken cancellationToken) =>
        await PageAsync(http, drones, serviceStore, [], null, null, cancellationToken);

    public static async Task<IResult> ConnectAsync(
        HttpContext http, [FromServices] IDroneStore drones, [FromServices] IServiceStore serviceStore, [FromServices] KeyConnector connector, [FromServices] ServiceConnector services,
        [FromServices] ControllerOptions options, CancellationToken cancellationToken)
    {
        var form = await http.Request.ReadFormAsync(cancellationToken);
        var values = s_fields.ToDictionary(f => f, f => form[f].ToString().Trim());
        var request = RequestOf(values);
        ClusterName? cluster = options.DefaultCluster;
        var problem = ConnectRules.Validate(request)?.Message;
        if (values["cluster"].Length > 0)
        {
            var isName = ClusterName.TryParse(values["cluster"], out var named);
            problem ??= isName ? null : ClusterName.Rule;
            cluster = named;
        }

        problem ??= values["service"].Length > 0 && request.Service is null ? ServiceName.Rule : null;
        problem ??= values["idle"].Length > 0 && Seconds(values["idle"]) is null ? "the seconds must be a whole number" : null;
        if (problem is not null)
        {
            return await PageAsync(http, drones, serviceStore, values, problem, null, cancellationToken);
        }

        var command = ConnectCommand.For(request, cluster);
        var result = await (request.Service is null ? connector.ConnectAsync(command, cancellationToken) : services.ConnectAsync(command, cancellationToken));
        command = command.AnsweredBy(result);
        return result.Holder is { } holder
            ? await PageAsync(
                http, drones, serviceStore, values, null, new ConnectedView(holder.Identity.Backend, result.Spawned, (command.BrowserUrlOf(holder) ?? command.UrlOf(holder)).ToString()), cancellationToken)
            : await PageAsync(http, drones, serviceStore, values, result.Message ?? "it was refused", null, cancellationToken);
    }

    private static ConnectRequest RequestOf(Dictionary<string, string> values) => new()
    {
        Key = new KeyConfig { Name = values["name"] },
        User = Given(values["user"]),
        Service = ServiceName.TryParse(values["service"], out var service) ? service : null,
        SpawnConfig = values["image"].Length + values["command"].Length == 0 ? null : new SpawnConfig
        {
            Pool = values["pool"],
            MaxIdleSeconds = Seconds(values["idle"]),
            Executable = values["image"].Length > 0
                ? new Executable { Image = values["image"], Command = values["command"].Length > 0 ? ["/bin/sh", "-c", values["command"]] : null }
                : new Executable { Command = ["/bin/sh", "-c", values["command"]] },
        },
    };

    private static async Task<IResult> PageAsync(
        HttpContext http, IDroneStore drones, IServiceStore serviceStore, Dictionary<string, string> values, string? problem, ConnectedView? result, CancellationToken cancellationToken)
    {
        var page = PageFactory.Page<ConnectPage>(
            http, "Connect", "connect", ("Model", new ConnectModel(values, await drones.ListClustersAsync(cancellationToken), [.. (await serviceStore.ListServicesAsync(cancellationToken)).Select(s => s.Service.Name)], problem, result)));
        page.StatusCode = problem is null ? StatusCodes.Status200OK : StatusCodes.Status400BadRequest;
        return page;
    }

    private static string? Given(string text) => text.Length > 0 ? text : null;

    private static int? Seconds(string text) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds) ? seconds : null;
}
