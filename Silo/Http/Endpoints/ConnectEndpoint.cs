using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Microsoft.Extensions.Hosting;
using Plane.Grains.Backends;
using Plane.Grains.Keys;
using Plane.Grains.Services;
using Plane.Silo.Http.Json;

namespace Plane.Silo.Http.Endpoints;

/// <summary>
/// <c>POST /ctrl/connect</c>. Answered by this controller's own <see cref="KeyConnector"/> or <see cref="ServiceConnector"/>, as the connects of cluster clients are.
/// </summary>
internal static class ConnectEndpoint
{
    /// <summary>The longest that one call of a backend waits, as its interface says.</summary>
    private static readonly TimeSpan s_longestWait = TimeSpan.FromSeconds(5);

    public static async Task<IResult> ConnectAsync(
        HttpContext http,
        [FromServices] KeyConnector connector,
        [FromServices] ServiceConnector services,
        [FromServices] StatusReader states,
        [FromServices] ControllerOptions options,
        [FromServices] HttpMetrics metrics,
        [FromServices] TimeProvider time,
        [FromServices] IHostApplicationLifetime lifetime,
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

        var command = ConnectCommand.For(request, cluster);
        Func<ConnectCommand, CancellationToken, Task<ConnectResult>> connect = request.Service is null ? connector.ConnectAsync : services.ConnectAsync;
        ConnectResult result;
        if (request.WaitSeconds > 0 && (request.SpawnConfig is not null || request.Service is not null))
        {
            // Who waits while the controller stops gets an answer that says to retry, elsewhere.
            using var waits = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, lifetime.ApplicationStopping);
            (command, result) = await ConnectWithinAsync(connect, states, request, command with { WaitsForEnd = true }, time, waits.Token, cancellationToken);
        }
        else
        {
            result = await connect(command, cancellationToken);
        }

        command = command.AnsweredBy(result);

        metrics.Connected(time.GetElapsedTime(began), Grains.Metrics.MetricTags.OutcomeOf(result));
        return result.Holder is { } holder
            ? TypedResults.Json(Response(http.Request, options, command, result, holder), PlaneJson.Http)
            : new ApiError(result.Refusal ?? ErrorKind.Other, result.Message ?? "refused") { RetryAfter = result.RetryAfter, OutputTail = result.OutputTail };
    }

    /// <summary>
    /// Connects; with time to wait, again when what kept it from a backend that stays has changed: (1) the holder was ending, and has ended; (2) no drone took a
    /// new backend, or the service had as many as it may. There is no event for every way in which a drone becomes free, so (2) repeats its request, less and less often up to once a second; and then may find that another
    /// has started the backend. When the time is over the answer is what it would have been without it.
    /// </summary>
    private static async Task<(ConnectCommand Command, ConnectResult Result)> ConnectWithinAsync(
        Func<ConnectCommand, CancellationToken, Task<ConnectResult>> connect,
        StatusReader states,
        ConnectRequest request,
        ConnectCommand command,
        TimeProvider time,
        CancellationToken waits,
        CancellationToken cancellationToken)
    {
        var began = time.GetTimestamp();
        var wait = TimeSpan.FromSeconds(request.WaitSeconds ?? 0);
        var pauses = new Backoff(TimeSpan.FromMilliseconds(100), TimeSpan.FromSeconds(1), time);
        while (true)
        {
            var result = await connect(command, cancellationToken);
            var left = wait - time.GetElapsedTime(began);
            if (command.WaitsForEnd && result is { Holder: { Status: >= BackendStatus.Terminating } ending, Earlier: null })
            {
                // (1)
                if (await WaitForEndAsync(states, ending, left, time, waits))
                {
                    // The token of this command belongs to the backend that has ended. The request stays the same.
                    command = command with { Drawn = DrawnValues.For(request) with { Key = command.Drawn.Key } };
                    continue;
                }

                if (request.RequestId is null)
                {
                    return (command, result);
                }

                // Now it is the answer, also to repeats.
                command = command with { WaitsForEnd = false };
            }
            else if (result.Refusal is ErrorKind.NoDroneAvailable or ErrorKind.ServiceFull && left > TimeSpan.Zero)
            {
                // (2)
                var next = pauses.Next();
                await Task.Delay(next < left ? next : left, time, waits);
            }
            else
            {
                return (command, result);
            }
        }
    }

    private static async Task<bool> WaitForEndAsync(
        StatusReader states, HolderInfo holder, TimeSpan wait, TimeProvider time, CancellationToken cancellationToken)
    {
        var began = time.GetTimestamp();
        var after = holder.Status;
        while (time.GetElapsedTime(began) is var elapsed && elapsed < wait)
        {
            var step = wait - elapsed < s_longestWait ? wait - elapsed : s_longestWait;
            var page = await states.ReadAsync(holder.Identity.Backend, after, step, cancellationToken);
            if (!page.Exists || after == BackendStatus.Terminated || page.Entries is [.., { Status: BackendStatus.Terminated }])
            {
                return true;
            }

            after = page.Entries is [.., { } last] ? last.Status : after;
        }

        return false;
    }

    private static ConnectResponse Response(HttpRequest request, ControllerOptions options, ConnectCommand command, ConnectResult result, HolderInfo holder)
    {
        var token = holder.StaticToken ?? command.Drawn.Token;
        var key = command.Request.Service is { } service ? ServiceKeys.Within(service, command.Key) : command.Key;
        return new ConnectResponse
        {
            BackendId = holder.Identity.Backend,
            Spawned = result.Spawned,
            Status = holder.Status,
            Token = token,
            Url = command.UrlOf(holder),
            BrowserUrl = command.BrowserUrlOf(holder),
            ServiceUrl = command.Request.Service is { } named ? ServiceLabel.UrlOf(named, command.Key, holder.Cluster) : null,
            Subdomain = holder.Subdomain,
            SecretToken = holder.StaticToken is null ? command.Drawn.SecretToken : null,
            StatusUrl = $"{ControllerUrl(request, options)}/pub/b/{holder.Identity.Backend}/status",
            Drone = result.Spawned ? holder.Drone : null,
            Key = new KeyInfo
            {
                Name = key.Name,
                Namespace = key.Namespace,
                Tag = key.Tag,
                FencingToken = holder.Identity.Token,
            },
        };
    }

    // What the caller asked by is a name that works for it; it is trusted, this is its own answer.
    private static string ControllerUrl(HttpRequest request, ControllerOptions options) =>
        options.ControllerUrl is { } url ? url.GetLeftPart(UriPartial.Path).TrimEnd('/')
        : request.Host.HasValue ? $"{request.Scheme}://{request.Host.ToUriComponent()}"
        : $"{request.Scheme}://{request.HttpContext.Connection.LocalIpAddress}:{request.HttpContext.Connection.LocalPort}";
}
