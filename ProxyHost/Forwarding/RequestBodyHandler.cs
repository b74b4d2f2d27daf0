namespace Plane.ProxyHost.Forwarding;

/// <summary>
/// Gives a request the body that its <see cref="Exchange"/> has made. YARP refuses an exchange that does so itself: it wants to know what it has read, and does, since its own body is within.
/// </summary>
internal sealed class RequestBodyHandler(HttpMessageHandler handler) : DelegatingHandler(handler)
{
    private static readonly HttpRequestOptionsKey<HttpContent> s_body = new("Plane.Body");

    /// <summary>Keeps the body until the request is sent.</summary>
    public static void Set(HttpRequestMessage request, HttpContent body) => request.Options.Set(s_body, body);

    protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        if (request.Options.TryGetValue(s_body, out var body))
        {
            request.Content = body;
        }

        return base.SendAsync(request, cancellationToken);
    }
}
