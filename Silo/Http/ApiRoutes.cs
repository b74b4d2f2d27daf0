using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Plane.Hosting.Metrics;
using Plane.Silo.Http.Access;
using Plane.Silo.Http.Endpoints;
using Plane.Silo.Http.Logs;
using Plane.Silo.Http.OpenApi;

namespace Plane.Silo.Http;

/// <summary>The table of routes. What does not allow anonymous callers is protected (<see cref="AccessSchemes"/>).</summary>
internal static class ApiRoutes
{
    private const string Json = "application/json";
    private const string Soft = "Ask the drone to end the backend by its stop signal. Repeating it is harmless.";
    private const string Hard = "Ask the drone to kill the backend. Repeating it is harmless.";

    public static void Map(IEndpointRouteBuilder app, ControllerOptions options)
    {
        MapControl(app.MapGroup("/ctrl").WithTags("control")
            .WithErrors(ErrorKind.Unauthorized, ErrorKind.ForwardAuthUnavailable, ErrorKind.DatabaseError, ErrorKind.Other));
        MapPublic(app.MapGroup("/pub").WithTags("public").AllowAnonymous()
            .WithErrors(ErrorKind.DatabaseError, ErrorKind.Other));
        app.MapOpenApi("/openapi.json").AllowAnonymous();
        if (options.MetricsPort is null)
        {
            app.MapPlaneMetrics();
        }
    }

    private static void MapControl(RouteGroupBuilder ctrl)
    {
        ctrl.MapPost("/connect", ConnectEndpoint.ConnectAsync)
            .Named("connect", "Connect to a key: a token for the backend that holds it, which is started if none does.")
            .Accepts<ConnectRequest>(Json).Produces<ConnectResponse>()
            .WithErrors(ErrorKind.InvalidRequest, ErrorKind.InvalidClusterName, ErrorKind.NoClusterProvided, ErrorKind.KeyUnheldNoSpawnConfig)
            .WithErrors(ErrorKind.KeyHeld, ErrorKind.FailedToRemoveKey, ErrorKind.BackendIdTaken, ErrorKind.RequestIdTaken, ErrorKind.PayloadTooLarge)
            .WithErrors(ErrorKind.KeyHeldUnhealthy, ErrorKind.NoDroneAvailable, ErrorKind.FailedToAcquireKey, ErrorKind.KeysHeldOff)
            .WithErrors(ErrorKind.NotFound, ErrorKind.ServiceFull, ErrorKind.CrashLoop);
        MapServices(ctrl);
        ctrl.MapPost("/b/{backend}/soft-terminate", BackendEndpoints.SoftTerminateAsync).Ends("soft_terminate", Soft);
        ctrl.MapPost("/b/{backend}/hard-terminate", BackendEndpoints.HardTerminateAsync).Ends("hard_terminate", Hard);
        ctrl.MapPost("/c/{cluster}/b/{backend}/soft-terminate", BackendEndpoints.SoftTerminateInClusterAsync).Ends("soft_terminate_in_cluster", Soft);
        ctrl.MapPost("/c/{cluster}/b/{backend}/hard-terminate", BackendEndpoints.HardTerminateInClusterAsync).Ends("hard_terminate_in_cluster", Hard);
        ctrl.MapPost("/b/revoke", BackendEndpoints.RevokeAsync)
            .Named("revoke", "Revoke connection tokens: a user's, one, or all of a backend. Open connections made with them are cut.")
            .Accepts<RevokeRequest>(Json).Produces<string>().WithErrors(ErrorKind.InvalidRequest, ErrorKind.NotFound, ErrorKind.PayloadTooLarge);
        ctrl.MapPost("/b/{backend}/prevent-renew", BackendEndpoints.PreventRenewAsync)
            .Named("prevent_renew", "Forbid the renewal of the backend's key, which ends it within a lease.").ProducesNull().WithErrors(ErrorKind.NotFound);
        ctrl.MapGet("/b/{backend}", BackendEndpoints.DescribeAsync)
            .Named("backend", "Everything known of a backend.").Produces<BackendDetails>().WithErrors(ErrorKind.NotFound);
        ctrl.MapGet("/b/{backend}/logs", LogEndpoints.ReadAsync)
            .Named("backend_logs", "Lines that a backend wrote, as text or, on request, as JSON lines; with follow=true until it has ended.")
            .Produces<string>(contentType: "text/plain").Produces<OutputLine>(contentType: LogStreams.JsonLines)
            .WithErrors(ErrorKind.InvalidRequest, ErrorKind.NotFound)
            .WithStreamLimit(LogStreams.Limit);
        ctrl.MapGet("/b/{backend}/usage", LogEndpoints.UsageAsync)
            .Named("backend_usage", "What a backend used in the last hour, as its drone read it.").Produces<UsagePage>().WithErrors(ErrorKind.NotFound);
        ctrl.MapGet("/events", EventEndpoints.ReadAsync)
            .Named("events", "What happened to backends and drones: server-sent events, or, on request, a page as JSON.")
            .Produces<ClusterEvent>(contentType: "text/event-stream").Produces<EventPage>()
            .WithErrors(ErrorKind.InvalidRequest, ErrorKind.InvalidClusterName)
            .WithStreamLimit(EventStreams.Limit);
        ctrl.MapGet("/backends", BackendEndpoints.ListAsync)
            .Named("backends", "List backends, newest first.").Produces<BackendPage>().WithErrors(ErrorKind.InvalidRequest, ErrorKind.InvalidClusterName);
        ctrl.MapPost("/c/{cluster}/d/{drone}/drain", ClusterEndpoints.DrainAsync)
            .Named("drain", "No new backends on this drone; with terminate=true those that run are ended gracefully.")
            .Produces<DrainResponse>().WithErrors(ErrorKind.InvalidRequest, ErrorKind.InvalidClusterName, ErrorKind.NotFound);
        ctrl.MapPost("/c/{cluster}/d/{drone}/undrain", ClusterEndpoints.UndrainAsync)
            .Named("undrain", "New backends on this drone again.").Produces<DrainResponse>().WithErrors(ErrorKind.InvalidClusterName, ErrorKind.NotFound);
        ctrl.MapGet("/c/{cluster}/state", ClusterEndpoints.StateAsync)
            .Named("cluster_state", "The cluster's drones and proxies.").Produces<ClusterState>().WithErrors(ErrorKind.InvalidClusterName);
        ctrl.MapGet("/clusters", ClusterEndpoints.ListAsync)
            .Named("clusters", "The clusters that drones, proxies or live backends are of.").Produces<ClusterList>();
        ctrl.MapGet("/c/{cluster}/busiest", ClusterEndpoints.BusiestAsync)
            .Named("busiest", "The backends that use the most CPU now, as their drones read it.").Produces<BusyList>().WithErrors(ErrorKind.InvalidRequest, ErrorKind.InvalidClusterName);
        ctrl.MapGet("/c/{cluster}/dns/txt", TxtEndpoints.ListAsync)
            .Named("txt_values", "The TXT values that the DNS server answers for the cluster, by who set them.")
            .Produces<TxtResponse>().WithErrors(ErrorKind.InvalidRequest, ErrorKind.InvalidClusterName);
        ctrl.MapPost("/c/{cluster}/dns/txt", TxtEndpoints.SetAsync)
            .Named("set_txt_values", "Set one owner's TXT values, for 10 minutes, in place of its earlier ones or beside them; none clears them.")
            .Accepts<TxtRequest>(Json).Produces<TxtResponse>()
            .WithErrors(ErrorKind.InvalidRequest, ErrorKind.InvalidClusterName, ErrorKind.PayloadTooLarge);
        ctrl.MapGet("/status", HealthEndpoints.StatusAsync)
            .Named("controller_status", "The controller's version; 500 when its database can't be reached.").Produces<StatusResponse>();
    }

    private static void MapServices(RouteGroupBuilder ctrl)
    {
        ctrl.MapGet("/s", ServiceEndpoints.ListAsync).Named("services", "All services, with what runs for them.").Produces<ServiceList>();
        ctrl.MapPut("/s/{service}", ServiceEndpoints.PutAsync)
            .Named("put_service", "Make or change a service. Backends that run are not affected; what it is already leaves its version as it is.")
            .Accepts<ServiceConfig>(Json).Produces<ServiceDetails>().Produces<ServiceDetails>(StatusCodes.Status201Created)
            .WithErrors(ErrorKind.InvalidRequest, ErrorKind.PayloadTooLarge);
        ctrl.MapGet("/s/{service}", ServiceEndpoints.DescribeAsync)
            .Named("service", "A service, with what runs for it.").Produces<ServiceDetails>().WithErrors(ErrorKind.NotFound);
        ctrl.MapDelete("/s/{service}", ServiceEndpoints.DeleteAsync)
            .Named("delete_service", "Delete a service with its keys; its backends are ended gracefully, or, with keep=true, run to their own end.")
            .ProducesNull().WithErrors(ErrorKind.InvalidRequest, ErrorKind.NotFound);
        ctrl.MapGet("/s/{service}/url", ServiceEndpoints.UrlAsync)
            .Named("service_url", "The address of a key's session, whether it runs or not.")
            .Produces<ServiceUrl>().WithErrors(ErrorKind.InvalidRequest, ErrorKind.InvalidClusterName, ErrorKind.NoClusterProvided, ErrorKind.NotFound);
        ctrl.MapGet("/s/{service}/keys", SigningKeyEndpoints.ListAsync)
            .Named("signing_keys", "The keys that the service's tokens are checked with, without their secrets.").Produces<SigningKeyList>().WithErrors(ErrorKind.NotFound);
        ctrl.MapPost("/s/{service}/keys", SigningKeyEndpoints.AddAsync)
            .Named("add_signing_key", "Add a key that the service's tokens are checked with. Its secret is not shown again.")
            .Accepts<SigningKeyRequest>(Json).Produces<SigningKeyInfo>().Produces<SigningKeyInfo>(StatusCodes.Status201Created)
            .WithErrors(ErrorKind.InvalidRequest, ErrorKind.NotFound, ErrorKind.SigningKeyTaken, ErrorKind.PayloadTooLarge);
        ctrl.MapDelete("/s/{service}/keys/{kid}", SigningKeyEndpoints.DeleteAsync)
            .Named("delete_signing_key", "Delete a key: tokens that are signed with it let no visitor in any more.").ProducesNull().WithErrors(ErrorKind.NotFound);
    }

    private static void MapPublic(RouteGroupBuilder pub)
    {
        pub.MapGet("/live", HealthEndpoints.Live).Named("live", "The controller is alive.").Produces<HealthResponse>();
        pub.MapGet("/health", HealthEndpoints.HealthAsync)
            .Named("health", "The controller is alive and reaches its database; else 500.").Produces<HealthResponse>();

        // Load balancers ask so (RFC 9110 section 9.3.2).
        pub.MapMethods("/live", [HttpMethods.Head], HealthEndpoints.Live).ExcludeFromDescription();
        pub.MapMethods("/health", [HttpMethods.Head], HealthEndpoints.HealthAsync).ExcludeFromDescription();
        pub.MapGet("/b/{backend}/status", StatusEndpoints.LatestAsync).IsStatus("backend_status");
        pub.MapGet("/b/{backend}/status-stream", StatusEndpoints.StreamAsync).IsStatusStream("backend_status_stream");
        pub.MapGet("/c/{cluster}/b/{backend}/status", StatusEndpoints.LatestInClusterAsync).IsStatus("backend_status_in_cluster");
        pub.MapGet("/c/{cluster}/b/{backend}/status-stream", StatusEndpoints.StreamInClusterAsync).IsStatusStream("backend_status_stream_in_cluster");
    }

    private static void Ends(this RouteHandlerBuilder route, string id, string summary) => route.Named(id, summary).ProducesNull().WithErrors(ErrorKind.NotFound, ErrorKind.InvalidClusterName);

    private static void IsStatus(this RouteHandlerBuilder route, string id) => route
        .Named(id, "The backend's latest status entry.")
        .Produces<StatusEntry>().WithErrors(ErrorKind.NotFound, ErrorKind.InvalidClusterName);

    private static void IsStatusStream(this RouteHandlerBuilder route, string id) => route
        .Named(id, "Server-sent events: every status entry so far, then each new one; the event's id is the status. Ends after terminated.")
        .Produces<StatusEntry>(contentType: "text/event-stream").Produces(StatusCodes.Status204NoContent)
        .WithErrors(ErrorKind.NotFound, ErrorKind.InvalidClusterName)
        .WithStreamLimit(StatusStreams.Limit);

    private static RouteHandlerBuilder Named(this RouteHandlerBuilder route, string id, string summary) => route.WithName(id).WithSummary(summary);

    private static RouteHandlerBuilder ProducesNull(this RouteHandlerBuilder route) => route.Produces<NullResponse>();

    private static TBuilder WithErrors<TBuilder>(this TBuilder route, params ErrorKind[] kinds)
        where TBuilder : IEndpointConventionBuilder
    {
        route.Add(b => b.Metadata.Add(new ErrorKinds(kinds)));
        return route;
    }
}
