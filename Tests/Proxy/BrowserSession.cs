using System.Net;

namespace Plane.Tests.Proxy;

/// <summary>A session with a subdomain of its own, and the requests of a browser to it.</summary>
internal sealed class BrowserSession(TestProxy proxy, BearerToken token, string subdomain)
{
    public const string Cookie = "plane-session-4321";

    public BearerToken Token => token;

    public string Host => $"{subdomain}.{TestProxy.Cluster}";

    public string Origin => $"http://{Host}";

    /// <summary>The cookie as a browser sends it.</summary>
    public string Sent => $"{Cookie}={token.Value}";

    public static BrowserSession Add(TestProxy proxy, string address, string subdomain = "room", Func<Route, Route>? with = null)
    {
        var token = proxy.Route(address, r =>
        {
            var route = r with { Subdomain = subdomain };
            return with?.Invoke(route) ?? route;
        });
        return new BrowserSession(proxy, token, subdomain);
    }

    /// <summary>A request to the session's host; by the cookie unless another is given.</summary>
    public async Task<HttpResponseMessage> SendAsync(string path, HttpMethod? method = null, string? cookie = null, params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(method ?? HttpMethod.Get, path) { Headers = { Host = Host } };
        foreach (var (name, value) in headers)
        {
            request.Headers.TryAddWithoutValidation(name, value);
        }

        if ((cookie ?? Sent) is { Length: > 0 } sent)
        {
            request.Headers.TryAddWithoutValidation("Cookie", sent);
        }

        return await proxy.Http.SendAsync(request);
    }

    public Task<HttpResponseMessage> EnterAsync(string? value = null, string to = "%2F") => SendAsync($"/.plane/enter?token={value ?? token.Value}&to={to}", cookie: "");

    public async Task<HttpStatusCode> StatusAsync(string path = "/", string? cookie = null, params (string Name, string Value)[] headers)
    {
        using var response = await SendAsync(path, cookie: cookie, headers: headers);
        return response.StatusCode;
    }
}
