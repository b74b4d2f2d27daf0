using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Orleans;
using Plane.Silo.Http.Json;

namespace Plane.Silo.Http.Endpoints;

/// <summary>The TXT values by which a cluster's names are proved to a certification authority.</summary>
internal static class TxtEndpoints
{
    public static async Task<IResult> ListAsync(string cluster, [FromServices] IGrainFactory grains, CancellationToken cancellationToken) =>
        TryRead(cluster, out var name, out var refusal) ? await AnswerAsync(name, Grain(grains, name), cancellationToken) : refusal;

    public static async Task<IResult> SetAsync(string cluster, HttpRequest request, [FromServices] IGrainFactory grains, CancellationToken cancellationToken)
    {
        if (!TryRead(cluster, out var name, out var refusal))
        {
            return refusal;
        }

        var (body, problem) = await JsonBody.ReadAsync<TxtRequest>(request, cancellationToken);
        if (body is null)
        {
            return problem!;
        }

        var grain = Grain(grains, name);
        var error = await grain.SetTxt(name, new TxtValues { Owner = body.Owner, Values = body.Values, Add = body.Add }, cancellationToken);
        return error is null ? await AnswerAsync(name, grain, cancellationToken) : ApiError.Invalid(error.Message);
    }

    // A grain, unlike all that the other endpoints call: the shard's one activation remembers the values that DNS servers ask for, so it must hear of each change.
    private static ICertificateGrain Grain(IGrainFactory grains, ClusterName cluster) => grains.GetGrain<ICertificateGrain>(GrainKeys.Certificate(cluster));

    private static bool TryRead(string text, out ClusterName cluster, out IResult refusal)
    {
        refusal = RouteNames.BadCluster;
        if (!ClusterName.TryParse(text, out cluster))
        {
            return false;
        }

        refusal = ApiError.Invalid("a cluster with a port has no DNS form: no DNS server answers for it, and no certificate is ordered");
        return !cluster.HasPort;
    }

    private static async Task<IResult> AnswerAsync(ClusterName cluster, ICertificateGrain grain, CancellationToken cancellationToken) => TypedResults.Json(
        new TxtResponse
        {
            Cluster = cluster,
            Owners =
            [
                .. (await grain.ListTxt(cluster, cancellationToken))
                    .Select(e => new TxtOwner { Owner = e.Owner, Values = e.Values, ExpiresIn = Math.Round(e.ExpiresIn.TotalSeconds, 1) }),
            ],
        },
        PlaneJson.Http);
}
