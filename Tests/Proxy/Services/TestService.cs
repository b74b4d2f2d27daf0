using System.Net;
using System.Text.Json.Nodes;
using Plane.Testing;

namespace Plane.Tests.Proxy;

/// <summary>A service on a <see cref="TestProxy"/>, and the requests of its visitors.</summary>
internal sealed class TestService(TestProxy proxy, string name = "board") : IDisposable
{
    public const string Cookie = "plane-session-4321";

    public Signer Signer { get; } = new();

    public string Name => name;

    public FakeServices Fake => proxy.Controller.Services;

    public static TestService Signed(TestProxy proxy, string? address = null, string[]? origins = null, bool embed = false)
    {
        var service = new TestService(proxy);
        service.Fake.Address = address;
        service.Fake.Set(service.Name, ServiceAccess.Signed, [service.Signer.Key], origins, embed);
        return service;
    }

    public static TestService Public(TestProxy proxy, string? address = null, string[]? origins = null)
    {
        var service = new TestService(proxy);
        service.Fake.Address = address;
        service.Fake.Set(service.Name, ServiceAccess.Public, origins: origins);
        return service;
    }

    public string HostOf(string label) => $"{label}--{name}.{TestProxy.Cluster}";

    public string OriginOf(string label) => $"http://{HostOf(label)}";

    public string Token(string? key = "room", Action<JsonObject>? with = null)
    {
        var claims = Signer.Claims(name, key);
        with?.Invoke(claims);
        return Signer.Sign(claims);
    }

    /// <summary>A request to a session of the service, with the token as the cookie.</summary>
    public async Task<HttpResponseMessage> SendAsync(string path = "/", string label = "room", string? cookie = null, HttpMethod? method = null, params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(method ?? HttpMethod.Get, path) { Headers = { Host = HostOf(label) } };
        foreach (var (header, value) in headers)
        {
            request.Headers.TryAddWithoutValidation(header, value);
        }

        if (cookie is { Length: > 0 })
        {
            request.Headers.TryAddWithoutValidation("Cookie", $"{Cookie}={cookie}");
        }

        return await proxy.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
    }

    public async Task<HttpStatusCode> StatusAsync(string? cookie, string label = "room", params (string Name, string Value)[] headers)
    {
        using var response = await SendAsync("/", label, cookie, headers: headers);
        return response.StatusCode;
    }

    /// <summary>The kind of the error that a request is answered with, or its status where it is none.</summary>
    public async Task<string> KindAsync(string? cookie, string label = "room", string path = "/", params (string Name, string Value)[] headers)
    {
        using var response = await SendAsync(path, label, cookie, headers: headers);
        return await KindAsync(response);
    }

    public static async Task<string> KindAsync(HttpResponseMessage response)
    {
        var text = await response.Content.ReadAsStringAsync();
        return (int)response.StatusCode >= 400 && text.StartsWith('{') ? (string)JsonNode.Parse(text)!["kind"]! : ((int)response.StatusCode).ToString(System.Globalization.CultureInfo.InvariantCulture);
    }

    public void Dispose() => Signer.Dispose();
}
