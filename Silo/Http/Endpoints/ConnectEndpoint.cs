using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Orleans;
using Plane.Silo.Http.Json;

namespace Plane.Silo.Http.Endpoints;

/// <summary>
/// <c>POST /ctrl/connect</c>. Everything random is drawn here, before the first call of a grain, so that a call whose outcome is unknown can be repeated as the same
/// request.
/// </summary>
internal static class ConnectEndpoint
{
    /// <summary>One repetition when an outcome is unknown: it finds what the first attempt did, or does it.</summary>
    private const int Attempts = 2;

    /// <summary>The longest that one call of a backend waits, as its interface says.</summary>
    private static readonly TimeSpan s_longestWait = TimeSpan.FromSeconds(5);

    public static async Task<IResult> ConnectAsync(
        HttpContext http,
        [FromServices] IGrainFactory grains,
        [FromServices] SiloOptions options,
        [FromServices] HttpMetrics metrics,
        [FromServices] TimeProvider time,
        CancellationToken cancellationToken)
    {
        var began = time.GetTimestamp();
        var (request, error) = await JsonBody.ReadAsync<ConnectRequest>(http.Request, cancellationToken);
        if (request is null)
        {
            return error!;
        }

        if (ConnectRules.Validate(request) is { } problem)
        {
            return ApiError.Invalid(problem);
        }

        ClusterName? cluster = options.DefaultCluster;
        if (request.SpawnConfig?.Cluster is { } named)
        {
            if (!ClusterName.TryParse(named, out var parsed))
            {
                return RouteNames.BadCluster;
            }

            cluster = parsed;
        }

        var waits = request is { WaitSeconds: > 0, SpawnConfig: not null };
        var command = ConnectCommand.For(request, cluster) with { WaitsForEnd = waits };
        var result = await CallAsync(grains, command, cancellationToken);
        if (waits && result is { Holder: { Status: >= BackendStatus.Terminating } ending, Earlier: null })
        {
            if (await WaitForEndAsync(grains, ending, TimeSpan.FromSeconds(request.WaitSeconds!.Value), time, cancellationToken))
            {
                // The token of the first command belongs to the backend that has ended. The request stays the same.
                command = ConnectCommand.For(request with { Key = command.Key }, cluster) with { Request = command.Request };
                result = await CallAsync(grains, command, cancellationToken);
            }
            else if (command.Request is not null)
            {
                // Now it is the answer, also to repeats.
                command = command with { WaitsForEnd = false };
                result = await CallAsync(grains, command, cancellationToken);
            }
        }

        command = command.AnsweredBy(result);

        metrics.Connected(time.GetElapsedTime(began), result.Refusal?.ToString() ?? (result.Spawned ? "spawned" : "connected"));
        return result.Holder is { } holder
            ? TypedResults.Json(Response(http.Request, options, command, result, holder), PlaneJson.Http)
            : new ApiError(result.Refusal ?? ErrorKind.Other, result.Message ?? "refused") { RetryAfter = result.RetryAfter };
    }

    private static async Task<ConnectResult> CallAsync(IGrainFactory grains, ConnectCommand command, CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                return await grains.GetGrain<IKeyGrain>(command.Key.GrainKey).Connect(command, cancellationToken);
            }
            catch (Exception e) when (attempt < Attempts && CallFailed.IsUnknownOutcome(e) && e is not TimeoutException)
            {
                // A time-out has used up what the caller waits for; everything else is quick, and the same command may be repeated.
            }
        }
    }

    private static async Task<bool> WaitForEndAsync(
        IGrainFactory grains, HolderInfo holder, TimeSpan wait, TimeProvider time, CancellationToken cancellationToken)
    {
        var began = time.GetTimestamp();
        var after = holder.Status;
        while (time.GetElapsedTime(began) is var elapsed && elapsed < wait)
        {
            var step = wait - elapsed < s_longestWait ? wait - elapsed : s_longestWait;
            var page = await grains.GetGrain<IBackendGrain>(holder.Identity.Backend.Value).ReadStatus(after, step, cancellationToken);
            if (!page.Exists || after == BackendStatus.Terminated || page.Entries is [.., { Status: BackendStatus.Terminated }])
            {
                return true;
            }

            after = page.Entries is [.., { } last] ? last.Status : after;
        }

        return false;
    }

    private static ConnectResponse Response(HttpRequest request, SiloOptions options, ConnectCommand command, ConnectResult result, HolderInfo holder)
    {
        var token = holder.StaticToken ?? command.Token;
        return new ConnectResponse
        {
            BackendId = holder.Identity.Backend,
            Spawned = result.Spawned,
            Status = holder.Status,
            Token = token,
            Url = command.UrlOf(holder),
            Subdomain = holder.Subdomain,
            SecretToken = holder.StaticToken is null ? command.SecretToken : null,
            StatusUrl = $"{ControllerUrl(request, options)}/pub/b/{holder.Identity.Backend}/status",
            Drone = result.Spawned ? holder.Drone : null,
            Key = new KeyInfo
            {
                Name = command.Key.Name,
                Namespace = command.Key.Namespace,
                Tag = command.Key.Tag,
                FencingToken = holder.Identity.Token,
            },
        };
    }

    // What the caller asked by is a name that works for it; it is trusted, this is its own answer.
    private static string ControllerUrl(HttpRequest request, SiloOptions options) =>
        options.ControllerUrl is { } url ? url.GetLeftPart(UriPartial.Path).TrimEnd('/')
        : request.Host.HasValue ? $"http://{request.Host.ToUriComponent()}"
        : $"http://{request.HttpContext.Connection.LocalIpAddress}:{request.HttpContext.Connection.LocalPort}";
}
