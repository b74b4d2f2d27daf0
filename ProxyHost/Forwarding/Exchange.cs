using System.Net;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Primitives;
using Microsoft.Net.Http.Headers;
using Plane.ProxyHost.Connections;
using Plane.ProxyHost.Routes;
using Plane.ProxyHost.Services;
using Plane.ProxyHost.Sessions;
using Yarp.ReverseProxy.Forwarder;

namespace Plane.ProxyHost.Forwarding;

/// <summary>
/// One request on its way to one backend and back: what is sent, how long it may take to begin, and the handle by which it is cut. It is its own YARP
/// transformer, so that a request needs no look-up of its own state.
/// </summary>
internal sealed class Exchange : HttpTransformer, IDisposable
{
    private const string ServiceWorkerAllowed = "Service-Worker-Allowed";

    private static readonly UriCreationOptions s_asReceived = new() { DangerousDisablePathAndQueryCanonicalization = true };

    // A backend that does not read it has it anyway: it fits between the two sockets.
    private const int SmallBody = 64 * 1024;

    private readonly HttpContext _context;
    private readonly Asked _asked;
    private readonly SessionAccess _access;
    private readonly ProxyOptions _options;
    private readonly CancellationTokenSource _deadline;
    private volatile bool _begun;

    public Exchange(HttpContext context, RouteEntry entry, Asked asked, SessionAccess access, ProxyOptions options, TimeProvider time)
    {
        _context = context;
        _asked = asked;
        _access = access;
        _options = options;
        Entry = entry;
        IsUpload = context.Request.ContentLength is null or > SmallBody
            && context.Features.Get<IHttpRequestBodyDetectionFeature>() is { CanHaveBody: true } && !UpgradeRule.IsUpgrade(context);
        _deadline = new CancellationTokenSource(options.ResponseTimeout, time);

        // A client that takes an hour to upload is not a backend that takes an hour to answer.
        if (context.Request.Body is RequestBodyClock clock)
        {
            clock.Exchange = this;
        }
        else if (context.Features.Get<IHttpRequestBodyDetectionFeature>() is { CanHaveBody: true })
        {
            context.Request.Body = new RequestBodyClock(context.Request.Body) { Exchange = this };
        }
    }

    public RouteEntry Entry { get; }

    /// <summary>The visit, where the host is a service's.</summary>
    public Visit? Visit => _asked.Visit;

    // Guarded by the lock of Use (OpenExchanges).
    public BackendUse? Use { get; set; }

    public Exchange? Next { get; set; }

    public Exchange? Previous { get; set; }

    /// <summary>Where the request's body is being written to; what a pause in the client's sending must not keep back.</summary>
    public Stream? Upstream { get; set; }

    /// <summary>How much of the request's body was read from the client.</summary>
    public long Uploaded { get; private set; }

    /// <summary>Whether its body is so large that a backend may answer before it has read it. It then has a connection of its own, which no other request follows on.</summary>
    public bool IsUpload { get; }

    /// <summary>Whether the backend has closed the connection, or refused, before it had read the whole body. What it has answered can still be read.</summary>
    public bool IsUnread { get; set; }

    public CancellationToken Deadline => _deadline.Token;

    /// <summary>Whether the backend took too long to begin its response.</summary>
    public bool IsLate => _deadline.IsCancellationRequested;

    /// <summary>Whether a header of the request has no valid name, so that it was not sent.</summary>
    public bool IsMalformed { get; private set; }

    public void Cut() => _context.Abort();

    /// <summary>Something of the request's body came: the backend's time counts from here.</summary>
    public void BodyMoved(int bytes)
    {
        Uploaded += bytes;
        if (!_begun)
        {
            _deadline.CancelAfter(_options.ResponseTimeout);
            if (_begun)
            {
                // The response began in between, on another thread: its stream must not get a deadline.
                _deadline.CancelAfter(Timeout.InfiniteTimeSpan);
            }
        }
    }

    public void Dispose() => _deadline.Dispose();

    public override ValueTask TransformRequestAsync(
        HttpContext httpContext, HttpRequestMessage proxyRequest, string destinationPrefix, CancellationToken cancellationToken)
    {
        var request = httpContext.Request;
        var hidesToken = HidesToken;
        var forwarded = hidesToken ? RequestTarget.WithoutFirstSegment(_asked.Target, Entry.Token.Value.Length) : _asked.Target;
        proxyRequest.RequestUri = new Uri(destinationPrefix + forwarded, s_asReceived);

        // The first of all headers: NonReplayableRequest relies on it.
        proxyRequest.Headers.TryAddWithoutValidation(NonReplayableRequest.FirstHeader, request.Headers.Host.ToString());
        CopyHeaders(request, proxyRequest);
        if (IsMalformed)
        {
            // YARP does not send a request whose response already has a status.
            httpContext.Response.StatusCode = StatusCodes.Status400BadRequest;
            return default;
        }

        AddOwnHeaders(httpContext, proxyRequest.Headers, hidesToken);
        return default;
    }

    private void CopyHeaders(HttpRequest request, HttpRequestMessage proxyRequest)
    {
        HttpContent? body = proxyRequest.Content is { } read ? new FlushableContent(read, this) : null;
        var connection = request.Headers.Connection;
        foreach (var (name, values) in request.Headers)
        {
            if (!HeaderRules.StaysFromRequest(name, connection, _options.AnyHeaderNames)
                && !(Visit is { Visitor.IsByHeader: true } && name.Equals(HeaderNames.Authorization, StringComparison.OrdinalIgnoreCase)))
            {
                IsMalformed |= !TryAdd(proxyRequest, ref body, name, values);
            }
        }

        if (body is not null)
        {
            RequestBodyHandler.Set(proxyRequest, body);
        }
    }

    /// <summary>What the backend gets from the proxy itself: the trace, where the request came from, and what was verified of it.</summary>
    private void AddOwnHeaders(HttpContext httpContext, System.Net.Http.Headers.HttpRequestHeaders headers, bool hidesToken)
    {
        var request = httpContext.Request;
        TraceHeaders.Continue(headers);
        if (httpContext.Connection.RemoteIpAddress is { } client)
        {
            headers.TryAddWithoutValidation("x-forwarded-for", (client.IsIPv4MappedToIPv6 ? client.MapToIPv4() : client).ToString());
        }

        headers.TryAddWithoutValidation("x-forwarded-host", request.Headers.Host.ToString());
        headers.TryAddWithoutValidation("x-forwarded-proto", request.Scheme);
        if (hidesToken)
        {
            headers.TryAddWithoutValidation("x-forwarded-prefix", Entry.PathPrefix);
        }

        if (Entry.IsH2c && HeaderRules.TakesTrailers(request.Headers.TE))
        {
            headers.TryAddWithoutValidation("TE", "trailers");
        }

        headers.TryAddWithoutValidation("x-verified-path", RequestTarget.Path(_asked.Target));
        headers.TryAddWithoutValidation("x-verified-backend", Entry.Backend);

        // The token of a service's route is the proxy's own: who visits is each request's to say.
        AddIfAny(headers, "x-verified-username", Visit is null ? Entry.Username : Visit.Visitor.Username);
        AddIfAny(headers, "x-verified-user-data", Visit is null ? Entry.UserData : Visit.Visitor.UserData);
        AddIfAny(headers, "x-verified-secret", Entry.Route.SecretToken);
    }

    public override async ValueTask<bool> TransformResponseAsync(HttpContext httpContext, HttpResponseMessage? proxyResponse, CancellationToken cancellationToken)
    {
        if (proxyResponse is null)
        {
            return false;
        }

        _begun = true;
        _deadline.CancelAfter(Timeout.InfiniteTimeSpan);
        if (proxyResponse.StatusCode == HttpStatusCode.SwitchingProtocols && !UpgradeRule.IsUpgrade(httpContext))
        {
            throw new HttpRequestException("the backend switched protocols without being asked");
        }

        var headers = httpContext.Response.Headers;
        headers.Server = ResponseHeaders.Server;
        headers[ResponseHeaders.BackendId] = Entry.Backend;
        if (Preflight.Is(httpContext.Request) && !proxyResponse.Headers.NonValidated.Any(static h => HeaderRules.IsCors(h.Key)))
        {
            // The backend knows nothing of CORS: to send the request itself is then as free as to read its response.
            Preflight.Answer(httpContext, AllowsOrigin(httpContext));
            return false;
        }

        var connection = proxyResponse.Headers.NonValidated.TryGetValues("Connection", out var named) ? ToValues(named) : default;
        var cors = Copy(proxyResponse.Headers.NonValidated, headers, connection) | Copy(proxyResponse.Content.Headers.NonValidated, headers, connection);
        headers.Server = ResponseHeaders.Server;
        headers[ResponseHeaders.BackendId] = Entry.Backend;
        if (!cors)
        {
            AddCors(httpContext, headers);
        }

        // What may be long shares its thread; what is short isn't worth the wrapper.
        if (headers.ContentLength is null or > YieldingStream.Stretch)
        {
            proxyResponse.Content = new YieldingContent(proxyResponse.Content, proxyResponse.StatusCode == HttpStatusCode.SwitchingProtocols);
        }

        // A stream's head must not wait for its first event; what has a length is sent with its first bytes. A gRPC status in the head means that nothing follows, and is one only where the
        // head ends the response. A WebSocket's head is the switch of protocols, which to a backend over HTTP/2 is not a status of its own.
        if (headers.ContentLength is null && !headers.ContainsKey("grpc-status") && !UpgradeRule.IsUpgrade(httpContext) && proxyResponse.StatusCode >= HttpStatusCode.OK && MayHaveBody(httpContext, proxyResponse.StatusCode))
        {
            // Not cancelled: an exception after the head was sent could no longer become an answer.
            await httpContext.Response.Body.FlushAsync(CancellationToken.None);
        }

        return true;
    }

    public override ValueTask TransformResponseTrailersAsync(HttpContext httpContext, HttpResponseMessage proxyResponse, CancellationToken cancellationToken)
    {
        if (httpContext.Features.Get<IHttpResponseTrailersFeature>()?.Trailers is { IsReadOnly: false } trailers)
        {
            foreach (var (name, values) in proxyResponse.TrailingHeaders.NonValidated)
            {
                if (!HeaderRules.StaysFromResponse(name, default) && !name.Equals(HeaderNames.SetCookie, StringComparison.OrdinalIgnoreCase))
                {
                    trailers.Append(name, ToValues(values));
                }
            }
        }

        return default;
    }

    /// <summary>The token is in the path of the client, and not in that of the backend.</summary>
    private bool HidesToken => !_asked.ByCookie && !Entry.KeepsToken;

    private bool AllowsOrigin(HttpContext context) => context.Request.Headers.Origin is { Count: 1 } origin && _access.Allows(Web, origin.ToString());

    private WebRules Web => Visit?.Policy.Web ?? Entry.Web;

    private void AddCors(HttpContext context, IHeaderDictionary headers)
    {
        if (AllowsOrigin(context))
        {
            ResponseHeaders.AllowOrigin(headers, context.Request.Headers.Origin.ToString());
            return;
        }

        if (!_asked.ByCookie)
        {
            // The secret is in the URL. A cookie comes with other pages' requests too.
            ResponseHeaders.AllowAllOrigins(headers);
        }

        if (_access.DependsOnOrigin(Web))
        {
            // What a browser keeps of this answer is not what an allowed origin would get.
            headers.Append(HeaderNames.Vary, HeaderNames.Origin);
        }
    }

    private static bool MayHaveBody(HttpContext context, HttpStatusCode status) =>
        !HttpMethods.IsHead(context.Request.Method) && status is not (HttpStatusCode.NoContent or HttpStatusCode.ResetContent or HttpStatusCode.NotModified);

    private static bool TryAdd(HttpRequestMessage request, ref HttpContent? body, string name, StringValues values)
    {
        // Cookies of HTTP/2 come in pieces (RFC 9113 section 8.2.3); HTTP/1.1 knows one header.
        if (name.Equals(HeaderNames.Cookie, StringComparison.OrdinalIgnoreCase))
        {
            return SessionCookie.WithoutReserved(values.Count == 1 ? values.ToString() : string.Join("; ", values.ToArray())) is not { } cookies
                || request.Headers.TryAddWithoutValidation(name, cookies);
        }

        if (values.Count == 1)
        {
            var value = values.ToString();
            return request.Headers.TryAddWithoutValidation(name, value)
                || (body ??= new EmptyContent()).Headers.TryAddWithoutValidation(name, value);
        }

        return request.Headers.TryAddWithoutValidation(name, (IEnumerable<string?>)values)
            || (body ??= new EmptyContent()).Headers.TryAddWithoutValidation(name, (IEnumerable<string?>)values);
    }

    private static void AddIfAny(System.Net.Http.Headers.HttpRequestHeaders headers, string name, string? value)
    {
        if (value is not null)
        {
            headers.TryAddWithoutValidation(name, value);
        }
    }

    private bool Copy(System.Net.Http.Headers.HttpHeadersNonValidated from, IHeaderDictionary to, StringValues connection)
    {
        var cors = false;
        foreach (var (name, values) in from)
        {
            if (HeaderRules.StaysFromResponse(name, connection))
            {
                continue;
            }

            cors |= HeaderRules.IsCors(name);
            if (name.Equals(HeaderNames.SetCookie, StringComparison.OrdinalIgnoreCase))
            {
                AppendAll(to, name, values, cookie => PathScope.OfCookie(cookie, HidesToken ? Entry.PathPrefix : null));
            }
            else if (name.Equals(ServiceWorkerAllowed, StringComparison.OrdinalIgnoreCase))
            {
                AppendAll(to, name, values, scope => PathScope.OfServiceWorker(scope, Entry, _asked.ByCookie));
            }
            else
            {
                to.Append(name, ToValues(values));
            }
        }

        return cors;
    }

    private static void AppendAll(IHeaderDictionary to, string name, System.Net.Http.Headers.HeaderStringValues values, Func<string, string?> change)
    {
        foreach (var value in values)
        {
            if (change(value) is { } changed)
            {
                to.Append(name, changed);
            }
        }
    }

    private static StringValues ToValues(System.Net.Http.Headers.HeaderStringValues values) =>
        values.Count == 1 ? new StringValues(values.ToString()) : new StringValues([.. values]);
}
