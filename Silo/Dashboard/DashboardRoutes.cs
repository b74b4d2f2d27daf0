using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Plane.Silo.Dashboard.Access;
using Plane.Silo.Http;
using Plane.Silo.Http.Logs;

namespace Plane.Silo.Dashboard;

/// <summary>
/// The dashboard's routes, at the controller's root: pages, made whole on the server; what their script reads under <c>/data</c>; and what their forms do, each asked first on a page of its own. All but the files and the login are
/// protected as <see cref="DashboardAccess"/> says. Nothing is made before the first request to it.
/// </summary>
internal static class DashboardRoutes
{
    private static readonly Lazy<Dictionary<string, DashboardFile>> s_files = new(() => new Dictionary<string, DashboardFile>
    {
        ["dashboard.css"] = new("dashboard.css", "text/css; charset=utf-8"),
        ["dashboard.js"] = new("dashboard.js", "text/javascript; charset=utf-8"),
        ["icon.svg"] = new("icon.svg", "image/svg+xml"),
    });

    public static void Map(IEndpointRouteBuilder app)
    {
        app.MapGet("/assets/{file}", (HttpContext http, string file) => s_files.Value.TryGetValue(file, out var found) ? found.Answer(http) : TypedResults.NotFound())
            .AllowAnonymous().ExcludeFromDescription();
        var open = app.MapGroup("").AllowAnonymous().ExcludeFromDescription().WithMetadata(new DashboardRoute()).AddEndpointFilter<DashboardErrors>();
        open.MapGet("/login", LoginHandlers.AskAsync);
        open.MapPost("/login", LoginHandlers.LogInAsync).DisableAntiforgery();
        var pages = app.MapGroup("").ExcludeFromDescription().WithMetadata(new DashboardRoute()).AddEndpointFilter<DashboardErrors>();
        pages.MapGet("/", PageHandlers.OverviewAsync);
        pages.MapGet("/clusters/{cluster}", PageHandlers.ClusterAsync);
        pages.MapGet("/backends", PageHandlers.BackendsAsync);
        pages.MapGet("/backends/{backend}", PageHandlers.BackendAsync);
        pages.MapGet("/services", PageHandlers.ServicesAsync);
        pages.MapGet("/services/{service}", PageHandlers.ServiceAsync);
        pages.MapGet("/events", PageHandlers.EventsAsync);
        pages.MapGet("/search", PageHandlers.SearchAsync);
        pages.MapGet("/connect", ConnectHandlers.AskAsync);
        pages.MapGet("/backends/{backend}/{action}", ActionHandlers.AskAboutBackendAsync);
        pages.MapGet("/clusters/{cluster}/drones/{drone}/{action}", ActionHandlers.AskAboutDrone);
        var forms = pages.MapGroup("").DisableAntiforgery().AddEndpointFilter(OwnFormsOnlyAsync);
        forms.MapPost("/logout", LoginHandlers.LogOutAsync);
        forms.MapPost("/connect", ConnectHandlers.ConnectAsync);
        forms.MapPost("/backends/{backend}/{action}", ActionHandlers.ActOnBackendAsync);
        forms.MapPost("/clusters/{cluster}/drones/{drone}/{action}", ActionHandlers.ActOnDroneAsync);
        var data = app.MapGroup("/data").ExcludeFromDescription().WithMetadata(new DashboardRoute());
        data.MapGet("/backends", DataHandlers.BackendsAsync);
        data.MapGet("/events", DataHandlers.EventsAsync);
        data.MapGet("/logs/{backend}", DataHandlers.LogsAsync).WithStreamLimit(LogStreams.Limit);
    }

    // The platform's antiforgery, asked here: its middleware only notes what it found, for handlers that bind forms.
    private static async ValueTask<object?> OwnFormsOnlyAsync(EndpointFilterInvocationContext context, EndpointFilterDelegate next) =>
        await DashboardAccess.IsOwnFormAsync(context.HttpContext)
            ? await next(context)
            : PageFactory.Message(
                context.HttpContext,
                "This form is out of date",
                "It was not made for this browser, or the login has changed since. Nothing was done: go back, load the page again and repeat it.",
                StatusCodes.Status400BadRequest);
}
