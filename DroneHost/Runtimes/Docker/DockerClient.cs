using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Plane.Drone.Runtimes.Docker;

/// <summary>
/// Carries calls to a Docker engine (HTTP over a unix or TCP socket) and tells three outcomes apart: an answer, an error that the engine reports
/// (<see cref="DockerErrorException"/>), and no or no sensible answer (<see cref="RuntimeUnavailableException"/>: nobody knows whether the call was carried out).
/// Every call has a time-out, every answer a bound.
/// </summary>
internal sealed class DockerClient : IDisposable
{
    /// <summary>The version that our requests are written for; also the oldest with one-shot statistics.</summary>
    private static readonly Version Oldest = new(1, 41);

    private const int MaxAnswer = 64 * 1024 * 1024;
    private const int MaxError = 64 * 1024;

    private readonly DockerEndpoint _endpoint;
    private readonly TimeSpan _callTimeout;
    private readonly TimeProvider _time;
    private readonly HttpClient _http;

    // Written by whoever finds it null; every writer writes what the engine says. Null again when the engine was away: it may come back as another version.
    private volatile string? _version;

    public DockerClient(DockerEndpoint endpoint, TimeSpan callTimeout, TimeProvider time)
    {
        _endpoint = endpoint;
        _callTimeout = callTimeout;
        _time = time;
        _http = new HttpClient(new SocketsHttpHandler
        {
            ConnectCallback = (_, cancellationToken) => endpoint.ConnectAsync(cancellationToken),

            // No connection is used twice: see OpenAsync. A unix socket's connect costs 50 µs.
            PooledConnectionLifetime = TimeSpan.Zero,
            UseProxy = false,
            UseCookies = false,
            AllowAutoRedirect = false,
            MaxResponseHeadersLength = 64,
        })
        {
            BaseAddress = new Uri("http://docker/"),
            Timeout = Timeout.InfiniteTimeSpan,
            MaxResponseContentBufferSize = MaxAnswer,
        };
    }

    /// <summary>Where it calls, for messages.</summary>
    public string Endpoint => _endpoint.Text;

    /// <inheritdoc cref="DockerEndpoint.IsLocal"/>
    public bool IsLocal => _endpoint.IsLocal;

    /// <summary>Calls and reads the answer.</summary>
    public async Task<T> ReadAsync<T>(HttpMethod method, string path, JsonTypeInfo<T> answer, CancellationToken cancellationToken, HttpContent? content = null, TimeSpan? timeout = null)
        where T : class
    {
        var body = await SendAsync(method, path, cancellationToken, content, timeout);
        try
        {
            return JsonSerializer.Deserialize(body, answer) ?? throw new JsonException("null");
        }
        catch (JsonException e)
        {
            throw Unavailable(path, "its answer is not what the Docker API promises", e);
        }
    }

    /// <summary>Calls and reads the whole answer.</summary>
    public async Task<byte[]> SendAsync(HttpMethod method, string path, CancellationToken cancellationToken, HttpContent? content = null, TimeSpan? timeout = null)
    {
        using var limit = new CancellationTokenSource(timeout ?? _callTimeout, _time);
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        using var response = await OpenAsync(method, path, null, content, linked.Token, cancellationToken);
        try
        {
            return await response.Content.ReadAsByteArrayAsync(linked.Token);
        }
        catch (Exception e) when (IsTransport(e) && !cancellationToken.IsCancellationRequested)
        {
            throw Unavailable(path, limit.IsCancellationRequested ? "it took too long" : Reason(e), e);
        }
    }

    /// <summary>Calls and returns once the answer has begun; the caller reads its stream and disposes it.</summary>
    public async Task<HttpResponseMessage> OpenStreamAsync(HttpMethod method, string path, string? registryAuth, TimeSpan timeout, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(timeout, _time);
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        return await OpenAsync(method, path, registryAuth, null, linked.Token, cancellationToken);
    }

    /// <summary>What a stream's reading threw, as what it means.</summary>
    public RuntimeUnavailableException Broken(string path, Exception cause) => Unavailable(path, Reason(cause), cause);

    /// <summary>Whether it means that the connection, the peer or the time is at fault.</summary>
    public static bool IsTransport(Exception e) => e is HttpRequestException or IOException or SocketException or OperationCanceledException or InvalidDataException;

    /// <summary>The version of the API that both sides speak, as <c>v1.41</c>.</summary>
    public async ValueTask<string> NegotiateAsync(CancellationToken cancellationToken)
    {
        if (_version is { } known)
        {
            return known;
        }

        var engine = await ReadAsync(HttpMethod.Get, "/version", DockerJson.Default.EngineVersion, cancellationToken);
        if (!Version.TryParse(engine.ApiVersion, out var newest))
        {
            throw new RuntimeUnavailableException($"What answers at {Endpoint} is no Docker engine.");
        }

        var oldest = Version.TryParse(engine.MinApiVersion, out var least) ? least : new Version(1, 0);
        if (newest < Oldest)
        {
            throw new RuntimeUnavailableException($"The Docker engine at {Endpoint} speaks API {newest}; {Oldest} (Docker 20.10) or later is needed.");
        }

        // The oldest that both know: what our requests mean does not change under them with an engine's upgrade.
        return _version = $"v{(oldest > Oldest ? oldest : Oldest)}";
    }

    public void Dispose() => _http.Dispose();

    private async Task<HttpResponseMessage> OpenAsync(
        HttpMethod method, string path, string? registryAuth, HttpContent? content, CancellationToken limited, CancellationToken cancellationToken)
    {
        HttpResponseMessage? response = null;
        try
        {
            var versioned = path == "/version" ? path : $"/{await NegotiateAsync(limited)}{path}";

            // The handler repeats a request by itself where its connection ends before an answer, and a container must not be started a second time because the engine died over
            // the first. It does not repeat one whose content it has begun to send, be that empty.
            using var request = new HttpRequestMessage(method, new Uri(versioned, UriKind.Relative)) { Content = content ?? (method == HttpMethod.Get ? null : new ByteArrayContent([])) };
            if (registryAuth is not null)
            {
                request.Headers.TryAddWithoutValidation("X-Registry-Auth", registryAuth);
            }

            response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, limited);
            if (response.IsSuccessStatusCode || response.StatusCode == HttpStatusCode.NotModified)
            {
                return response;
            }

            var (error, isOfEngine) = await ReadErrorAsync(response, limited);
            var status = response.StatusCode;
            response.Dispose();
            response = null;
            throw status == HttpStatusCode.ServiceUnavailable || !isOfEngine
                ? Unavailable(path, $"it answered {(int)status}: {(error.Length > 0 ? error : "without a reason")}", null)
                : new DockerErrorException(status, error);
        }
        catch (Exception e) when (IsTransport(e) && !cancellationToken.IsCancellationRequested)
        {
            response?.Dispose();
            throw Unavailable(path, limited.IsCancellationRequested ? "it took too long" : Reason(e), e);
        }
        catch (Exception e) when (IsTransport(e))
        {
            response?.Dispose();
            throw new OperationCanceledException("The call was cancelled.", e, cancellationToken);
        }
    }

    /// <summary>What an error answer says, and whether it is an error as the engine's API has them.</summary>
    private static async Task<(string Text, bool IsOfEngine)> ReadErrorAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        await using var stream = await response.Content.ReadAsStreamAsync(cancellationToken);
        var body = new byte[MaxError];
        var length = await stream.ReadAtLeastAsync(body, body.Length, throwOnEndOfStream: false, cancellationToken);
        try
        {
            var message = RuntimeText.Shown(JsonSerializer.Deserialize(body.AsSpan(0, length), DockerJson.Default.EngineError)?.Message);
            return (message, message.Length > 0);
        }
        catch (JsonException)
        {
            // Not an error of the engine's API: the caller calls it unavailable.
            return (RuntimeText.Shown(Encoding.UTF8.GetString(body, 0, length)), false);
        }
    }

    // A connection that could not be made is wrapped by the HTTP client, which adds the name and port that it believes in.
    private string Reason(Exception e) => e is HttpRequestException { InnerException: SocketException refused } ? _endpoint.Explain(refused) : e.Message;

    private RuntimeUnavailableException Unavailable(string path, string reason, Exception? cause)
    {
        _version = null;
        var call = path.AsSpan(0, path.IndexOf('?', StringComparison.Ordinal) is >= 0 and var query ? query : path.Length);
        return new RuntimeUnavailableException($"The Docker engine at {Endpoint} did not answer {call}: {RuntimeText.Shown(reason)}.", cause!);
    }
}
