using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Plane.Grains.Clusters;
using Plane.Silo.Dashboard.Pages;
using Plane.Silo.Http;
using Plane.Silo.Http.Logs;
using Plane.Storage;

namespace Plane.Silo.Dashboard;

/// <summary>The pages that show.</summary>
internal static class PageHandlers
{
    private const int FirstRows = 100;
    private const int EventRows = 200;
    private const int BusyRows = 10;

    public static async Task<IResult> OverviewAsync(HttpContext http, [FromServices] Overview overview, CancellationToken cancellationToken) =>
        PageFactory.Page<OverviewPage>(http, "Overview", "overview", ("Model", await overview.ReadAsync(cancellationToken)));

    public static async Task<IResult> ClusterAsync(
        HttpContext http, string cluster, [FromServices] DronePicker drones, [FromServices] DroneOutput output, CancellationToken cancellationToken)
    {
        if (!ClusterName.TryParse(cluster, out var name))
        {
            return PageFactory.NotFound(http, "cluster");
        }

        // A drone that is not ready would most likely not answer, and the page would wait for it.
        var state = await drones.ReadStateAsync(name, cancellationToken);
        var asked = state.Drones.Where(d => d is { Ready: true, BackendCount: > 0 }).Select(d => DroneName.Parse(d.Node.Name));
        var busiest = await output.ReadBusiestAsync(name, asked, BusyRows, cancellationToken);
        return PageFactory.Page<ClusterPage>(http, $"Cluster {name}", "cluster", ("Model", new ClusterModel(new ClusterView(name, state), busiest)));
    }

    public static async Task<IResult> BackendsAsync(HttpContext http, [FromServices] IBackendStore store, CancellationToken cancellationToken)
    {
        var wanted = BackendSelection.Read(http.Request);
        BackendPage page;
        try
        {
            page = wanted.Query is { } query
                ? await store.ListBackendsAsync(query with { Limit = FirstRows }, cancellationToken)
                : new BackendPage();
        }
        catch (FormatException)
        {
            return PageFactory.Message(http, "The page address is incomplete", "Its cursor is not valid. Open the list again.", StatusCodes.Status400BadRequest);
        }

        return PageFactory.Page<BackendsPage>(
            http, "Backends", "backends", ("Model", new BackendsModel(page, wanted.Status, wanted.Key, wanted.Cluster, wanted.Drone, wanted.Service)));
    }

    public static async Task<IResult> BackendAsync(
        HttpContext http, string backend, [FromServices] IBackendStore store, [FromServices] DroneOutput drones, CancellationToken cancellationToken)
    {
        if (!BackendName.TryParse(backend, out var name) || await store.ReadBackendAsync(name, cancellationToken) is not { } details)
        {
            return PageFactory.NotFound(http, "backend");
        }

        var usage = details.Status is >= BackendStatus.Starting and < BackendStatus.Terminated ? await drones.TryReadUsageAsync(details, cancellationToken) : null;
        return PageFactory.Page<Pages.BackendPage>(http, $"Backend {name}", "backends", ("Model", new BackendModel(details, usage)));
    }

    public static async Task<IResult> ServicesAsync(HttpContext http, [FromServices] IServiceStore store, CancellationToken cancellationToken) => PageFactory.Page<ServicesPage>(
        http, "Services", "services", ("Services", (await store.ListServicesAsync(cancellationToken)).Select(ServiceViews.Summary).ToArray()));

    public static async Task<IResult> ServiceAsync(
        HttpContext http, string service, [FromServices] IServiceStore store, [FromServices] IBackendStore backends, [FromServices] IImageStore images, [FromServices] ControllerOptions options, CancellationToken cancellationToken)
    {
        if (!ServiceName.TryParse(service, out var name) || await store.ReadServiceAsync(name, cancellationToken) is not { } use)
        {
            return PageFactory.NotFound(http, "service");
        }

        var page = await backends.ListBackendsAsync(new BackendQuery { Service = name, Live = true, Limit = FirstRows }, cancellationToken);
        var keys = await store.ListSigningKeysAsync(name, cancellationToken) ?? [];
        var details = await ServiceViews.DetailsAsync(use, images, cancellationToken);
        ClusterName? cluster = details.SpawnConfig.Cluster is { } named ? ClusterName.Parse(named) : options.DefaultCluster;
        var address = cluster is { } inCluster ? $"{inCluster.Scheme}://{ServiceLabel.HostOf(name, "KEY", inCluster)}/" : null;
        return PageFactory.Page<ServicePage>(
            http, $"Service {name}", "services", ("Model", new ServiceModel(details, keys, page.Backends, page.NextCursor is not null, address)));
    }

    public static async Task<IResult> EventsAsync(HttpContext http, [FromServices] IChangeLog changes, CancellationToken cancellationToken)
    {
        var cluster = ClusterName.TryParse(http.Request.Query["cluster"], out var name) ? name : (ClusterName?)null;
        var page = await changes.ReadEventsAsync(cluster, null, EventRows, cancellationToken);
        return PageFactory.Page<EventsPage>(
            http, "Events", "events", ("Events", page.Events.Reverse().ToArray()), ("Cluster", cluster?.Value ?? ""));
    }

    /// <summary>Leads to the backend of a name, or to the one that holds a key of that name; else to the list.</summary>
    public static async Task<IResult> SearchAsync(HttpContext http, [FromServices] IBackendStore store, CancellationToken cancellationToken)
    {
        var text = http.Request.Query["q"] is [{ } q] ? q.Trim() : "";
        var found = BackendName.TryParse(text, out var name) && await store.ReadBackendAsync(name, cancellationToken) is not null ? name.Value : null;
        if (found is null && NameRules.TextProblem(text, 1) is null)
        {
            var holders = await store.ListBackendsAsync(new BackendQuery { KeyName = text, Live = true, Limit = 2 }, cancellationToken);
            found = holders.Backends is [{ } only] ? only.BackendId.Value : null;
        }

        http.Response.Headers.Location = found is null ? $"/backends?status=all&key={Uri.EscapeDataString(text)}" : $"/backends/{found}";
        return TypedResults.StatusCode(StatusCodes.Status303SeeOther);
    }
}
