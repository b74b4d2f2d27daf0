using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using System.Text.Json.Nodes;
using Plane.DroneHost.State;

namespace Plane.DroneHost.Supervision;

/// <summary>Says to a warm backend, on its own port, which key it has got.</summary>
internal sealed class ClaimCall(TimeProvider time) : IDisposable
{
    /// <summary>How long a backend may take to answer.</summary>
    public static readonly TimeSpan Limit = TimeSpan.FromSeconds(2);

    // Each call has a connection of its own: a backend gets one claim in its life. Only the answer's status counts, so nothing is followed, kept or read.
    private readonly HttpClient _client = new(new SocketsHttpHandler
    {
        AllowAutoRedirect = false,
        UseCookies = false,
        UseProxy = false,
        PooledConnectionLifetime = TimeSpan.Zero,
        MaxResponseHeadersLength = 16,
    })
    {
        Timeout = Timeout.InfiniteTimeSpan,
    };

    /// <summary>Posts the claim once.</summary>
    /// <param name="address">Where the backend answers, as <c>127.0.0.1:30001</c>.</param>
    /// <param name="protocol">What it speaks.</param>
    /// <param name="claim">The claim, with a path.</param>
    /// <param name="cancellationToken">The backend is to end, or the agent stops.</param>
    /// <returns>Null where it was answered with 2xx in time, else what happened instead, for its owner.</returns>
    public async Task<string?> DeliverAsync(string address, BackendProtocol protocol, BackendClaim claim, CancellationToken cancellationToken)
    {
        using var timer = new CancellationTokenSource(Limit, time);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, timer.Token);
        var what = $"POST {claim.Order.Path}";
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, new Uri($"http://{address}{claim.Order.Path}"))
            {
                Content = Body(claim),
                Version = protocol == BackendProtocol.H2c ? HttpVersion.Version20 : HttpVersion.Version11,
                VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            };
            request.Headers.UserAgent.Add(new ProductInfoHeaderValue("plane-claim", null));
            using var answer = await _client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, limit.Token);
            return answer.IsSuccessStatusCode ? null : $"{what} was answered with {(int)answer.StatusCode}";
        }
        catch (OperationCanceledException) when (timer.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            return $"{what} was not answered within {Limit.TotalSeconds:0} s";
        }
        catch (HttpRequestException e)
        {
            return $"{what} failed: {e.Message}";
        }
    }

    public void Dispose() => _client.Dispose();

    private static ByteArrayContent Body(BackendClaim claim)
    {
        var body = new JsonObject
        {
            ["key"] = claim.Order.Key.Name,
            ["namespace"] = claim.Order.Key.Namespace,
            ["tag"] = claim.Order.Key.Tag,
            ["fencing_token"] = claim.Token.Value,
            ["service"] = claim.Order.Service.Value,
        };
        return new ByteArrayContent(JsonSerializer.SerializeToUtf8Bytes(body)) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } };
    }
}
