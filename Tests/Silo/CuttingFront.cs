using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Plane.Hosting;

namespace Plane.Tests.Silo;

/// <summary>Stands before a controller as a load balancer does; on request it cuts open connections and answers the next requests as a controller whose database is unavailable.</summary>
internal sealed class CuttingFront : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly HttpClient _http;
    private CancellationTokenSource _cut = new();
    private int _refusals;

    private CuttingFront(WebApplication app, Uri controller)
    {
        _app = app;
        _http = new HttpClient(new SocketsHttpHandler { UseProxy = false }) { BaseAddress = controller, Timeout = Timeout.InfiniteTimeSpan };
    }

    public Uri Url => _app.BoundAddress();

    /// <summary>How many requests are still to be refused.</summary>
    public int Refusals => Math.Max(0, Volatile.Read(ref _refusals));

    public static async Task<CuttingFront> StartAsync(Uri controller)
    {
        var builder = PlaneHost.CreateWebBuilder("front");
        builder.UsePlaneListener("127.0.0.1", 0);
        var app = builder.Build();
        var front = new CuttingFront(app, controller);
        app.Run(front.AnswerAsync);
        await app.StartAsync();
        return front;
    }

    public async Task CutAsync(int refusals)
    {
        Volatile.Write(ref _refusals, refusals);
        await Interlocked.Exchange(ref _cut, new CancellationTokenSource()).CancelAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await CutAsync(0);
        await _app.DisposeAsync();
        _http.Dispose();
    }

    private async Task AnswerAsync(HttpContext context)
    {
        using var over = CancellationTokenSource.CreateLinkedTokenSource(_cut.Token, context.RequestAborted);
        if (Interlocked.Decrement(ref _refusals) >= 0)
        {
            context.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
            context.Response.ContentType = "application/json";
            var error = new PlaneError { Id = "abc", Kind = ErrorKind.DatabaseError, Message = "the database is unavailable" };
            await context.Response.WriteAsync(JsonSerializer.Serialize(error, PlaneJson.Http), over.Token);
            return;
        }

        try
        {
            await RelayAsync(context, over.Token);
        }
        catch (OperationCanceledException) when (over.IsCancellationRequested)
        {
            context.Abort();
        }
    }

    private async Task RelayAsync(HttpContext context, CancellationToken over)
    {
        using var request = new HttpRequestMessage(new HttpMethod(context.Request.Method), context.Request.Path + context.Request.QueryString);
        foreach (var name in (string[])["Accept", "Last-Event-ID"])
        {
            if (context.Request.Headers[name] is [{ } value])
            {
                request.Headers.TryAddWithoutValidation(name, value);
            }
        }

        using var response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, over);
        context.Response.StatusCode = (int)response.StatusCode;
        context.Response.ContentType = response.Content.Headers.ContentType?.ToString();
        await using var body = await response.Content.ReadAsStreamAsync(over);
        var buffer = new byte[4096];
        while (await body.ReadAsync(buffer, over) is > 0 and var count)
        {
            await context.Response.Body.WriteAsync(buffer.AsMemory(0, count), over);
            await context.Response.Body.FlushAsync(over);
        }
    }
}
