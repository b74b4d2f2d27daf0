using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Plane.Silo.Http.Json;
using Plane.Storage;

namespace Plane.Silo.Http.Endpoints;

/// <summary>The keys that the tokens of a service's visitors are checked with. What is secret in them is never shown again.</summary>
internal static class SigningKeyEndpoints
{
    public static async Task<IResult> ListAsync(string service, [FromServices] IServiceStore store, CancellationToken cancellationToken) =>
        ServiceName.TryParse(service, out var name) && await store.ListSigningKeysAsync(name, cancellationToken) is { } keys
            ? TypedResults.Json(new SigningKeyList { Keys = [.. keys] }, PlaneJson.Http)
            : RouteNames.NoService;

    public static async Task<IResult> AddAsync(string service, HttpRequest request, [FromServices] IServiceStore store, CancellationToken cancellationToken)
    {
        if (!ServiceName.TryParse(service, out var name))
        {
            return RouteNames.NoService;
        }

        var (body, error) = await JsonBody.ReadAsync<SigningKeyRequest>(request, cancellationToken);
        if (body is null)
        {
            return error!;
        }

        if (SigningKeyRules.TryRead(body, out var key) is { } problem)
        {
            return ApiError.Invalid(problem);
        }

        var outcome = await store.AddSigningKeyAsync(name, key!, cancellationToken);
        return outcome switch
        {
            SigningKeyOutcome.NoSuchService => RouteNames.NoService,
            SigningKeyOutcome.KidTaken => new ApiError(ErrorKind.SigningKeyTaken, "another key of the service has this kid: choose another one, or delete that key first"),
            SigningKeyOutcome.TooMany => ApiError.Invalid($"the service has {SigningKeyRules.MaxKeys} keys, as many as it may have: delete one first"),
            _ => (await store.ListSigningKeysAsync(name, cancellationToken))?.FirstOrDefault(k => k.Kid == body.Kid) is { } stored
                ? TypedResults.Json(
                    stored, PlaneJson.Http, statusCode: outcome == SigningKeyOutcome.Added ? StatusCodes.Status201Created : StatusCodes.Status200OK)
                : RouteNames.NoService,
        };
    }

    public static async Task<IResult> DeleteAsync(string service, string kid, [FromServices] IServiceStore store, CancellationToken cancellationToken) =>
        !ServiceName.TryParse(service, out var name) ? RouteNames.NoService
        : SigningKeyRules.KidProblem(kid) is null && await store.DeleteSigningKeyAsync(name, kid, cancellationToken) != ChangeOutcome.NotFound ? BackendEndpoints.Null()
        : ApiError.NotFound("service or key");
}
