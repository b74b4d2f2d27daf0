using System.Collections.Concurrent;
using System.Net;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Plane.Hosting;

namespace Plane.Tests.Silo;

/// <summary>A forward-auth service that answers as told and remembers what it was asked.</summary>
internal sealed class AuthService : IAsyncDisposable
{
    private readonly WebApplication _app;

    private AuthService(WebApplication app) => _app = app;

    public sealed record Question(string Method, string Path, Dictionary<string, string> Headers, long Body);

    public ConcurrentQueue<Question> Asked { get; } = new();

    public Func<HttpContext, Task> Answer { get; set; } = c =>
    {
        c.Response.StatusCode = (int)HttpStatusCode.OK;
        return Task.CompletedTask;
    };

    public Uri Url => new(_app.BoundAddress(), "/check?who=plane");

    public static async Task<AuthService> StartAsync()
    {
        var builder = PlaneHost.CreateWebBuilder("auth");
        builder.UsePlaneListener("127.0.0.1", 0);
        builder.WebHost.ConfigureKestrel(server => server.ResponseHeaderEncodingSelector = static _ => Encoding.UTF8);
        var app = builder.Build();
        var service = new AuthService(app);
        app.Run(async context =>
        {
            using var body = new MemoryStream();
            await context.Request.Body.CopyToAsync(body);
            service.Asked.Enqueue(new Question(
                context.Request.Method,
                context.Request.Path + context.Request.QueryString,
                context.Request.Headers.ToDictionary(h => h.Key.ToLowerInvariant(), h => h.Value.ToString()),
                body.Length));
            await service.Answer(context);
        });
        await app.StartAsync();
        return service;
    }

    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync();
        await _app.DisposeAsync();
    }
}
