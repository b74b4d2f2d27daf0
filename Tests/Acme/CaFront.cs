using System.Buffers.Text;
using System.Collections.Concurrent;
using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;

namespace Plane.Tests.Acme;

/// <summary>
/// Stands before a real authority and lets a test look on, count, delay, and answer in its place: the faults that no authority shows when it is asked to. Without
/// an authority behind it, the test answers everything.
/// </summary>
internal sealed class CaFront : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly HttpClient? _behind;

    private CaFront(WebApplication app, Pebble? behind)
    {
        _app = app;
        _behind = behind is null ? null : Loopback.Client(behind.Directory);
        app.Run(ServeAsync);
    }

    public Uri Directory => new(new Uri(_app.Urls.Single()), "/dir");

    /// <summary>Answers in place of the authority where it returns true.</summary>
    public Func<CaCall, Task<bool>>? Before { get; set; }

    /// <summary>Changes what the authority answered.</summary>
    public Action<CaCall>? After { get; set; }

    /// <summary>Every request that was answered, in order.</summary>
    public ConcurrentQueue<CaCall> Calls { get; } = new();

    /// <summary>How many requests of a path were answered, without those whose nonce was turned away.</summary>
    public int Count(string path) => Calls.Count(c => c.Path.StartsWith(path, StringComparison.Ordinal) && !c.Answer.Contains(":badNonce", StringComparison.Ordinal));

    public static async Task<CaFront> StartAsync(Pebble? behind)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration().ConfigureKestrel(kestrel =>
            kestrel.Listen(IPAddress.Loopback, 0, listen => listen.UseHttps(https =>
            {
                https.ServerCertificate = Loopback.Certificate.WithKey;
                https.ServerCertificateChain = [];
                https.ServerCertificateChain.ImportFromPem(Loopback.Certificate.IntermediatePem);
            })));
        var front = new CaFront(builder.Build(), behind);
        await front._app.StartAsync();
        return front;
    }

    public async ValueTask DisposeAsync()
    {
        await _app.DisposeAsync();
        _behind?.Dispose();
    }

    private async Task ServeAsync(HttpContext context)
    {
        using var reader = new StreamReader(context.Request.Body);
        var call = new CaCall(context, await reader.ReadToEndAsync());
        if (Before is { } before && await before(call))
        {
            Calls.Enqueue(call);
            return;
        }

        if (_behind is null)
        {
            context.Response.StatusCode = 404;
            Calls.Enqueue(call);
            return;
        }

        using var request = new HttpRequestMessage(new HttpMethod(context.Request.Method), context.Request.Path + context.Request.QueryString);
        request.Headers.Host = context.Request.Host.Value;
        if (context.Request.Headers.TryGetValue("Accept", out var accept))
        {
            request.Headers.TryAddWithoutValidation("Accept", accept.ToString());
        }

        request.Headers.TryAddWithoutValidation("User-Agent", context.Request.Headers.UserAgent.ToString());
        if (call.Body.Length > 0)
        {
            request.Content = new StringContent(call.Body, new System.Net.Http.Headers.MediaTypeHeaderValue("application/jose+json"));
        }

        using var response = await _behind.SendAsync(request);
        context.Response.StatusCode = (int)response.StatusCode;
        foreach (var (name, values) in response.Headers.Concat(response.Content.Headers))
        {
            if (name is not ("Content-Length" or "Transfer-Encoding" or "Date" or "Connection"))
            {
                context.Response.Headers[name] = values.ToArray();
            }
        }

        call.Answer = await response.Content.ReadAsStringAsync();
        After?.Invoke(call);
        Calls.Enqueue(call);
        if (context.Request.Method != "HEAD")
        {
            await context.Response.WriteAsync(call.Answer);
        }
    }
}

/// <summary>One request to an authority, and its answer.</summary>
internal sealed class CaCall(HttpContext context, string body)
{
    public HttpContext Context { get; } = context;

    public string Path { get; } = context.Request.Path;

    public string Body { get; } = body;

    public string Answer { get; set; } = "";

    /// <summary>The signed payload, as JSON; null for none.</summary>
    public JsonNode? Payload => Part("payload");

    public JsonNode? Header => Part("protected");

    public async Task<bool> AnswerAsync(int status, string type, string answer, params (string Name, string Value)[] headers)
    {
        Context.Response.StatusCode = status;
        Context.Response.ContentType = type;
        Context.Response.Headers["Replay-Nonce"] = Guid.NewGuid().ToString("N");
        foreach (var (name, value) in headers)
        {
            // An empty one takes it away.
            Context.Response.Headers[name] = value.Length == 0 ? default : value;
        }

        Answer = answer;
        if (Context.Request.Method != "HEAD")
        {
            await Context.Response.WriteAsync(answer);
        }

        return true;
    }

    public Task<bool> ProblemAsync(int status, string kind, string detail, params (string Name, string Value)[] headers) =>
        AnswerAsync(status, "application/problem+json", new JsonObject { ["type"] = "urn:ietf:params:acme:error:" + kind, ["detail"] = detail }.ToJsonString(), headers);

    private JsonNode? Part(string name)
    {
        if (Body.Length == 0 || JsonNode.Parse(Body)?[name]?.ToString() is not { Length: > 0 } text)
        {
            return null;
        }

        return JsonNode.Parse(Encoding.UTF8.GetString(Base64Url.DecodeFromChars(text)));
    }
}
