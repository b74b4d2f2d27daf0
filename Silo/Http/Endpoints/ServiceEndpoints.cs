using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Plane.Grains.Services;
using Plane.Silo.Http.Json;
using Plane.Storage;

namespace Plane.Silo.Http.Endpoints;

/// <summary>Services: named spawn configs, and who may enter their sessions.</summary>
internal static class ServiceEndpoints
{
    public static async Task<IResult> ListAsync([FromServices] IServiceStore store, CancellationToken cancellationToken) => TypedResults.Json(
        new ServiceList { Services = [.. (await store.ListServicesAsync(cancellationToken)).Select(ServiceViews.Summary)] }, PlaneJson.Http);

    public static async Task<IResult> DescribeAsync(string service, [FromServices] IServiceStore store, [FromServices] IImageStore images, CancellationToken cancellationToken) =>
        ServiceName.TryParse(service, out var name) && await store.ReadServiceAsync(name, cancellationToken) is { } use
            ? TypedResults.Json(await ServiceViews.DetailsAsync(use, images, cancellationToken), PlaneJson.Http)
            : RouteNames.NoService;

    public static async Task<IResult> PutAsync(
        string service, HttpRequest request, [FromServices] IServiceStore store, [FromServices] IImageStore images, [FromServices] ServiceDirectory services, CancellationToken cancellationToken)
    {
        if (!ServiceName.TryParse(service, out var name))
        {
            return ApiError.Invalid("the service's name is not valid: " + ServiceName.Rule);
        }

        var (config, error) = await JsonBody.ReadAsync<ServiceConfig>(request, cancellationToken);
        if (config is null)
        {
            return error!;
        }

        if (ServiceRules.Validate(config) is { } problem)
        {
            return ApiError.Invalid(problem);
        }

        if (config.SpawnConfig.Executable.Credentials is { Password: ServiceRules.HiddenPassword } shown)
        {
            var stored = (await store.FindServiceAsync(name, cancellationToken))?.Config.SpawnConfig.Executable.Credentials;
            if (stored?.Username != shown.Username)
            {
                return ApiError.Invalid("spawn_config.executable.credentials.password must be given: there is no stored one of this user");
            }

            config = config with { SpawnConfig = ServiceViews.WithPassword(config.SpawnConfig, stored.Password) };
        }

        var written = await store.PutServiceAsync(name, config, cancellationToken);
        services.Forget(name);
        return written.Service is { } now
            ? TypedResults.Json(
                await ServiceViews.DetailsAsync(await store.ReadServiceAsync(name, cancellationToken) ?? new ServiceUse(now, 0, 0, 0), images, cancellationToken),
                PlaneJson.Http,
                statusCode: written.Outcome == ServiceWriteOutcome.Created ? StatusCodes.Status201Created : StatusCodes.Status200OK)
            : ApiError.Invalid($"there are {ServiceLimits.MaxServices} services, as many as there may be: delete one first");
    }

    public static async Task<IResult> DeleteAsync(
        string service, HttpRequest request, [FromQuery] string? keep, [FromServices] IServiceStore store, [FromServices] ServiceDirectory services, CancellationToken cancellationToken)
    {
        var query = new QueryReader(request);
        var keeps = query.Flag(nameof(keep));
        if (query.Problem is { } problem)
        {
            return ApiError.Invalid(problem);
        }

        if (!ServiceName.TryParse(service, out var name))
        {
            return RouteNames.NoService;
        }

        var deleted = await store.DeleteServiceAsync(name, keeps, cancellationToken);
        services.Forget(name);
        return deleted ? BackendEndpoints.Null() : RouteNames.NoService;
    }

    public static async Task<IResult> UrlAsync(
        string service,
        HttpRequest request,
        [FromQuery] string? key,
        [FromQuery(Name = "namespace")] string? keyNamespace,
        [FromQuery] string? cluster,
        [FromServices] IServiceStore store,
        [FromServices] ControllerOptions options,
        CancellationToken cancellationToken)
    {
        var query = new QueryReader(request);
        var config = new KeyConfig { Name = query.Text(nameof(key)) ?? "", Namespace = query.Text("namespace") ?? "" };
        var clusterText = query.Text(nameof(cluster));
        if (query.Problem is { } problem)
        {
            return ApiError.Invalid(problem);
        }

        if (!ServiceName.TryParse(service, out var name) || await store.FindServiceAsync(name, cancellationToken) is not { } found)
        {
            return RouteNames.NoService;
        }

        // In the names of the query.
        if (ServiceKeys.Validate(name, config, "key") is { } wrong)
        {
            return ApiError.Invalid(wrong with { Path = wrong.Path == "key.namespace" ? "namespace" : "key" });
        }

        if (!RouteNames.TryCluster(clusterText ?? found.Config.SpawnConfig.Cluster, out var asked))
        {
            return RouteNames.BadCluster;
        }

        if ((asked ?? options.DefaultCluster) is not { } inCluster)
        {
            return new ApiError(ErrorKind.NoClusterProvided, "neither cluster, nor the service's spawn_config, nor the controller names a cluster");
        }

        if (!ServiceConnector.IsIn(found, inCluster))
        {
            return ApiError.Invalid("cluster is not the one that the service's spawn_config names");
        }

        var label = ServiceLabel.Of(name, config);
        if (ServiceLabel.IsHash(label))
        {
            await store.KeepLabelAsync(name, label, config, cancellationToken);
        }

        return TypedResults.Json(
            new ServiceUrl { Url = ServiceLabel.UrlOf(name, config, inCluster), Label = label, Key = ServiceKeys.Within(name, config) }, PlaneJson.Http);
    }
}
