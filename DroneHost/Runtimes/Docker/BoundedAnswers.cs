using Docker.DotNet.Handler.Abstractions;

namespace Plane.DroneHost.Runtimes.Docker;

/// <summary>
/// What the library leaves open between itself and the connection: (1) a request is sent once; (2) a redirect is not a success; (3) an answer has a bound. The streams that the drone
/// reads itself, in pieces that have a bound, are passed on.
/// </summary>
internal sealed class BoundedAnswers(HttpMessageHandler inner) : DelegatingHandler(inner)
{
    private const int MaxAnswer = 64 * 1024 * 1024;
    private const int MaxError = 64 * 1024;

    /// <summary>Puts one in front of a client's connections.</summary>
    public static IAuthProvider Provider { get; } = new InFront();

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        // (1) The handler below repeats a request by itself where its connection ends before an answer, and a container must not be started a second time because the engine died
        // over the first. It does not repeat one whose content it has begun to send, be that empty.
        request.Content ??= request.Method == HttpMethod.Get ? null : new ByteArrayContent([]);
        var response = await base.SendAsync(request, cancellationToken);
        try
        {
            var path = request.RequestUri!.AbsolutePath;
            if ((int)response.StatusCode is >= 300 and not 304 and < 400)
            {
                // (2)
                throw new HttpRequestException($"it answered {(int)response.StatusCode}");
            }

            // (3)
            if (!response.IsSuccessStatusCode)
            {
                await response.Content.LoadIntoBufferAsync(MaxError, cancellationToken);
            }
            else if (path.EndsWith("/images/create", StringComparison.Ordinal))
            {
                // Read by the library as it comes, which keeps an unfinished message of any length.
                response.Content = new StreamContent(new LimitedStream(await response.Content.ReadAsStreamAsync(cancellationToken), MaxAnswer));
            }
            else if (!path.EndsWith("/events", StringComparison.Ordinal) && !path.EndsWith("/logs", StringComparison.Ordinal))
            {
                await response.Content.LoadIntoBufferAsync(MaxAnswer, cancellationToken);
            }

            return response;
        }
        catch
        {
            response.Dispose();
            throw;
        }
    }

    private sealed class InFront : IAuthProvider
    {
        public bool TlsEnabled => false;

        public HttpMessageHandler ConfigureHandler(HttpMessageHandler handler) => new BoundedAnswers(handler);
    }
}
