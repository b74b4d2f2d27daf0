using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;

namespace Plane.Client;

/// <summary>The controller's HTTP API (docs/http-api.md). Thread-safe.</summary>
public sealed partial class ControllerClient : IDisposable
{
    private readonly HttpClient _http;

    /// <summary>A client of a controller, or of a load balancer before several.</summary>
    /// <param name="controller">Its address.</param>
    /// <param name="token">The bearer token that it wants, or null.</param>
    public ControllerClient(Uri controller, string? token)
    {
        ArgumentNullException.ThrowIfNull(controller);

        // A proxy for the world outside must not see the token of a controller on this machine.
        _http = new HttpClient(new SocketsHttpHandler
        {
            ConnectTimeout = TimeSpan.FromSeconds(5),
            ConnectCallback = static (context, cancellationToken) => TcpKeepAlive.ConnectAsync(context.DnsEndPoint, cancellationToken),
            AllowAutoRedirect = false,
            UseProxy = !controller.IsLoopback,
        })
        {
            BaseAddress = new Uri(controller.AbsoluteUri.TrimEnd('/') + "/"),
            Timeout = TimeSpan.FromSeconds(30),
        };
        _http.DefaultRequestHeaders.Accept.Add(new MediaTypeWithQualityHeaderValue("application/json"));
        if (token is not null)
        {
            _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
        }
    }

    /// <summary>The address that requests go to.</summary>
    public Uri Controller => _http.BaseAddress!;

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();

    /// <summary>Connects to a key: the backend that holds it, started first if need be. Give <see cref="ConnectRequest.RequestId"/>, then the same request may be sent again.</summary>
    public Task<ConnectResponse> ConnectAsync(ConnectRequest request, CancellationToken cancellationToken) =>
        SendAsync<ConnectResponse>(HttpMethod.Post, "ctrl/connect", request, cancellationToken);

    /// <summary>What the controller is, as it says it.</summary>
    public Task<JsonElement> StatusAsync(CancellationToken cancellationToken) =>
        SendAsync<JsonElement>(HttpMethod.Get, "ctrl/status", null, cancellationToken);

    /// <summary>The state that a backend is in.</summary>
    public Task<StatusEntry> BackendStatusAsync(BackendName backend, CancellationToken cancellationToken) =>
        SendAsync<StatusEntry>(HttpMethod.Get, $"pub/b/{backend}/status", null, cancellationToken);

    /// <summary>All that the controller knows of a backend.</summary>
    public Task<BackendDetails> BackendAsync(BackendName backend, CancellationToken cancellationToken) =>
        SendAsync<BackendDetails>(HttpMethod.Get, $"ctrl/b/{backend}", null, cancellationToken);

    /// <summary>A page of backends.</summary>
    public Task<BackendPage> BackendsAsync(string query, CancellationToken cancellationToken) =>
        SendAsync<BackendPage>(HttpMethod.Get, "ctrl/backends" + query, null, cancellationToken);

    /// <summary>Ends a backend: hard at once, else with time to end by itself.</summary>
    public Task<JsonElement> TerminateAsync(BackendName backend, bool hard, CancellationToken cancellationToken) =>
        SendAsync<JsonElement>(HttpMethod.Post, $"ctrl/b/{backend}/{(hard ? "hard" : "soft")}-terminate", null, cancellationToken);

    /// <summary>Forbids the renewal of a backend's key: it ends within a lease.</summary>
    public Task<JsonElement> PreventRenewAsync(BackendName backend, CancellationToken cancellationToken) =>
        SendAsync<JsonElement>(HttpMethod.Post, $"ctrl/b/{backend}/prevent-renew", null, cancellationToken);

    /// <summary>Revokes connection tokens.</summary>
    public Task<JsonElement> RevokeAsync(object body, CancellationToken cancellationToken) =>
        SendAsync<JsonElement>(HttpMethod.Post, "ctrl/b/revoke", body, cancellationToken);

    /// <summary>Drains a drone, or takes that back.</summary>
    public Task<JsonElement> DrainAsync(ClusterName cluster, DroneName drone, bool drain, bool terminate, CancellationToken cancellationToken) =>
        SendAsync<JsonElement>(
            HttpMethod.Post, $"ctrl/c/{cluster}/d/{drone}/{(drain ? "drain" : "undrain")}{(terminate ? "?terminate=true" : "")}", null, cancellationToken);

    /// <summary>A cluster's drones and what they hold.</summary>
    public Task<ClusterState> ClusterStateAsync(ClusterName cluster, CancellationToken cancellationToken) =>
        SendAsync<ClusterState>(HttpMethod.Get, $"ctrl/c/{cluster}/state", null, cancellationToken);

    /// <summary>The TXT values that are set for a cluster.</summary>
    public Task<TxtResponse> TxtAsync(ClusterName cluster, CancellationToken cancellationToken) =>
        SendAsync<TxtResponse>(HttpMethod.Get, $"ctrl/c/{cluster}/dns/txt", null, cancellationToken);

    /// <summary>Sets one owner's TXT values.</summary>
    public Task<TxtResponse> SetTxtAsync(ClusterName cluster, TxtRequest change, CancellationToken cancellationToken) =>
        SendAsync<TxtResponse>(HttpMethod.Post, $"ctrl/c/{cluster}/dns/txt", change, cancellationToken);

    /// <summary>All services.</summary>
    public Task<ServiceList> ServicesAsync(CancellationToken cancellationToken) => SendAsync<ServiceList>(HttpMethod.Get, "ctrl/s", null, cancellationToken);

    /// <summary>A service.</summary>
    public Task<ServiceDetails> ServiceAsync(ServiceName service, CancellationToken cancellationToken) =>
        SendAsync<ServiceDetails>(HttpMethod.Get, $"ctrl/s/{service}", null, cancellationToken);

    /// <summary>Makes or changes a service. The body goes out as it is: the controller says best what is wrong with it.</summary>
    public Task<ServiceDetails> PutServiceAsync(ServiceName service, JsonElement config, CancellationToken cancellationToken) =>
        SendAsync<ServiceDetails>(HttpMethod.Put, $"ctrl/s/{service}", config, cancellationToken);

    /// <summary>Deletes a service, and ends its backends unless they are kept.</summary>
    public Task<JsonElement> DeleteServiceAsync(ServiceName service, bool keep, CancellationToken cancellationToken) =>
        SendAsync<JsonElement>(HttpMethod.Delete, $"ctrl/s/{service}{(keep ? "?keep=true" : "")}", null, cancellationToken);

    /// <summary>The address of a key's session.</summary>
    public Task<ServiceUrl> ServiceUrlAsync(ServiceName service, string query, CancellationToken cancellationToken) =>
        SendAsync<ServiceUrl>(HttpMethod.Get, $"ctrl/s/{service}/url{query}", null, cancellationToken);

    /// <summary>The signing keys of a service.</summary>
    public Task<SigningKeyList> SigningKeysAsync(ServiceName service, CancellationToken cancellationToken) =>
        SendAsync<SigningKeyList>(HttpMethod.Get, $"ctrl/s/{service}/keys", null, cancellationToken);

    /// <summary>Adds a signing key.</summary>
    public Task<SigningKeyInfo> AddSigningKeyAsync(ServiceName service, SigningKeyRequest key, CancellationToken cancellationToken) =>
        SendAsync<SigningKeyInfo>(HttpMethod.Post, $"ctrl/s/{service}/keys", key, cancellationToken);

    /// <summary>Deletes a signing key.</summary>
    /// <exception cref="RefusedException">The controller refused it; or no key can have this name, and then nothing was sent: with <c>..</c> the address would be the service's own.</exception>
    public Task<JsonElement> DeleteSigningKeyAsync(ServiceName service, string kid, CancellationToken cancellationToken) =>
        SigningKeyRules.KidProblem(kid) is { } problem
            ? throw new RefusedException(new PlaneError { Id = "", Kind = ErrorKind.InvalidRequest, Message = $"kid {problem}" })
            : SendAsync<JsonElement>(HttpMethod.Delete, $"ctrl/s/{service}/keys/{Uri.EscapeDataString(kid)}", null, cancellationToken);

    private async Task<T> SendAsync<T>(HttpMethod method, string path, object? body, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(method, path);
        if (body is not null)
        {
            request.Content = JsonContent.Create(body, body.GetType(), mediaType: null, PlaneJson.Http);
        }

        using var response = await SendAsync(request, HttpCompletionOption.ResponseContentRead, cancellationToken).ConfigureAwait(false);
        try
        {
            return await response.Content.ReadFromJsonAsync<T>(PlaneJson.Http, cancellationToken).ConfigureAwait(false)
                ?? throw new ControllerUnreachableException($"{Controller} returned an empty answer");
        }
        catch (JsonException e)
        {
            throw NotPlanes(e);
        }
    }

    private async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, HttpCompletionOption completion, CancellationToken cancellationToken)
    {
        HttpResponseMessage response;
        try
        {
            response = await _http.SendAsync(request, completion, cancellationToken).ConfigureAwait(false);
        }
        catch (HttpRequestException e)
        {
            // The outer messages speak of inner ones; the innermost says what happened.
            throw new ControllerUnreachableException($"no controller answers at {Controller}: {e.GetBaseException().Message}", e);
        }
        catch (TaskCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw new ControllerUnreachableException($"the controller at {Controller} did not answer in time", e);
        }

        if (response.IsSuccessStatusCode)
        {
            return response;
        }

        using (response)
        {
            throw await RefusalAsync(response, cancellationToken).ConfigureAwait(false);
        }
    }

    private ControllerUnreachableException NotPlanes(Exception? cause = null) => new($"{Controller} returned an answer that is not Plane's. Check the controller's address", cause);

    private async Task<Exception> RefusalAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        string text;
        try
        {
            text = await response.Content.ReadAsStringAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            return new ControllerUnreachableException($"the answer of the controller at {Controller} broke off: {e.GetBaseException().Message}", e);
        }

        try
        {
            if (JsonSerializer.Deserialize<PlaneError>(text, PlaneJson.Http) is { } error)
            {
                return new RefusedException(error)
                {
                    RetryAfter = response.Headers.RetryAfter?.Delta,
                    IsTemporary = response.StatusCode is HttpStatusCode.BadGateway or HttpStatusCode.ServiceUnavailable or HttpStatusCode.GatewayTimeout,
                };
            }
        }
        catch (JsonException)
        {
            // No controller's error: something in between answered, which the message below says.
        }

        return response.StatusCode is HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden
            ? new RefusedException(new PlaneError { Id = "", Kind = ErrorKind.Unauthorized, Message = "not authorised" })
            : new ControllerUnreachableException($"{Controller} returned {(int)response.StatusCode} with a body that is not Plane's. Check the controller's address");
    }
}
