using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Nodes;
using Docker.DotNet;
using Docker.DotNet.NativeHttp;

namespace Plane.DroneHost.Runtimes.Docker;

/// <summary>
/// Calls an engine through Docker.DotNet, and tells three outcomes apart: an answer, an error that the engine reports (<see cref="DockerErrorException"/>), and no
/// or no sensible answer (<see cref="RuntimeUnavailableException"/>: the call may have been carried out or not). Every call has a time-out, every answer a bound.
/// </summary>
internal sealed class DockerConnection(DockerEndpoint endpoint, TimeSpan callTimeout, TimeProvider time) : IDisposable
{
    /// <summary>The version that our requests are written for; also the oldest with one-shot statistics.</summary>
    private static readonly Version s_oldest = new(1, 41);

    // Written by any call that finds it null. Null again when the engine was unavailable: it may come back as another version. One that was replaced is not disposed of, because
    // streams that it opened may still be read; it keeps no connection and no timer.
    private volatile DockerClient? _client;

    /// <inheritdoc cref="DockerEndpoint.IsLocal"/>
    public bool IsLocal => endpoint.IsLocal;

    /// <summary>Makes a call.</summary>
    /// <param name="call">Its path, for messages.</param>
    /// <param name="make">Makes it.</param>
    /// <param name="cancellationToken">Gives it up.</param>
    /// <param name="timeout">How long it may take, where that is not what every call may.</param>
    public async Task<T> CallAsync<T>(
        string call, Func<DockerClient, CancellationToken, Task<T>> make, CancellationToken cancellationToken, TimeSpan? timeout = null)
    {
        using var limit = new CancellationTokenSource(timeout ?? callTimeout, time);
        return await CallAsync(call, make, limit, cancellationToken);
    }

    /// <summary>Makes a call whose answer comes in pieces: the caller extends <paramref name="limit"/> with each.</summary>
    public async Task<T> CallAsync<T>(
        string call, Func<DockerClient, CancellationToken, Task<T>> make, CancellationTokenSource limit, CancellationToken cancellationToken)
    {
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        var current = "/version";
        try
        {
            var client = _client ?? await NegotiateAsync(linked.Token);
            current = call;
            return await make(client, linked.Token) ?? throw new JsonException("The answer is null.");
        }
        catch (DockerApiException e) when (ErrorOf(e) is { } error)
        {
            throw new DockerErrorException(e.StatusCode, error);
        }
        catch (Exception e) when (cancellationToken.IsCancellationRequested)
        {
            throw new OperationCanceledException("The call was cancelled.", e, cancellationToken);
        }
        catch (Exception e) when (e is not RuntimeUnavailableException)
        {
            // Whatever it is, an answer that the library cannot read included: the next call asks for the version again.
            _client = null;
            var reason = limit.IsCancellationRequested ? "it took too long" : ReasonOf(e);
            throw new RuntimeUnavailableException($"The Docker engine at {endpoint.Text} did not answer {current}: {RuntimeText.Shown(reason)}.", e);
        }
    }

    /// <summary>Whether an exception of a stream's reader means that the connection, the engine or the time is at fault.</summary>
    public static bool IsTransport(Exception e) =>
        e is HttpRequestException or IOException or SocketException or OperationCanceledException or InvalidDataException or JsonException;

    public void Dispose() => _client?.Dispose();

    /// <summary>
    /// Agrees on the oldest version of the API that both sides speak: what our requests mean does not change under them with an engine's upgrade.
    /// </summary>
    private async Task<DockerClient> NegotiateAsync(CancellationToken cancellationToken)
    {
        using var asking = Build(version: null);
        var engine = await asking.System.GetVersionAsync(cancellationToken);
        if (!Version.TryParse(engine?.APIVersion, out var newest))
        {
            throw new RuntimeUnavailableException($"What answers at {endpoint.Text} is not a Docker engine.");
        }

        if (newest < s_oldest)
        {
            throw new RuntimeUnavailableException(
                $"The Docker engine at {endpoint.Text} speaks API {newest}; {s_oldest} (Docker 20.10) or later is needed.");
        }

        return _client = Build(Version.TryParse(engine.MinAPIVersion, out var least) && least > s_oldest ? least : s_oldest);
    }

    private DockerClient Build(Version? version) => new DockerClientBuilder()
        .WithEndpoint(new Uri("http://docker/"))
        .WithApiVersion(version)
        .WithTimeout(Timeout.InfiniteTimeSpan)
        .WithAuthProvider(BoundedAnswers.Provider)
        .WithTransportOptions(new NativeHttpTransportOptions { ConfigureHandler = Configure })
        .Build();

    private void Configure(SocketsHttpHandler handler)
    {
        handler.ConnectCallback = (_, cancellationToken) => endpoint.ConnectAsync(cancellationToken);

        // No connection is used twice, so that no request meets one that the engine has closed (see BoundedAnswers). A unix socket's connect costs 50 µs.
        handler.PooledConnectionLifetime = TimeSpan.Zero;
        handler.MaxConnectionsPerServer = int.MaxValue;
        handler.UseProxy = false;
        handler.UseCookies = false;
        handler.AllowAutoRedirect = false;
        handler.MaxResponseHeadersLength = 64;
    }

    /// <summary>What the engine's error says; null where it is not one of the engine's own, or says that the engine cannot serve now.</summary>
    private static string? ErrorOf(DockerApiException e)
    {
        try
        {
            var message = e.StatusCode == System.Net.HttpStatusCode.ServiceUnavailable ? null : (string?)JsonNode.Parse(e.ResponseBody ?? "")?["message"];
            return RuntimeText.Shown(message) is { Length: > 0 } shown ? shown : null;
        }
        catch (Exception unread) when (unread is JsonException or InvalidOperationException)
        {
            // Not an error of the engine's API.
            return null;
        }
    }

    private string ReasonOf(Exception e) => e switch
    {
        // A connection that could not be made is wrapped by the HTTP client, which adds the name and port that it believes in.
        HttpRequestException { InnerException: SocketException refused } => endpoint.Explain(refused),
        DockerApiException error => $"it answered {(int)error.StatusCode}: {(error.ResponseBody is { Length: > 0 } body ? body : "without a reason")}",
        JsonException => "its answer is not what the Docker API promises",
        _ => e.Message,
    };
}
