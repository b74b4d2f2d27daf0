using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Plane.Hosting;
using Plane.Silo.Http;

namespace Plane.Silo.Start;

/// <summary>Answers on the controller's port while it waits for its database: alive, but not healthy; everything else later.</summary>
internal sealed class WaitingServer : IAsyncDisposable
{
    private readonly WebApplication _app;

    private WaitingServer(WebApplication app) => _app = app;

    /// <param name="options">Where it listens.</param>
    /// <param name="reason">Why the database cannot be used, at the moment of an answer.</param>
    /// <param name="cancellationToken">Cancelled when the start is given up.</param>
    public static async Task<WaitingServer> StartAsync(ControllerOptions options, Func<string> reason, CancellationToken cancellationToken)
    {
        var builder = PlaneHost.CreateWebBuilder("controller");
        builder.UsePlaneListener(options.Host, options.Port);
        var app = builder.Build();
        app.Run(context => AnswerAsync(context, reason()));
        await app.StartAsync(cancellationToken);
        return new WaitingServer(app);
    }

    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync();
        await _app.DisposeAsync();
    }

    private static Task AnswerAsync(HttpContext context, string reason)
    {
        var response = context.Response;
        if (context.Request.Path == "/pub/live")
        {
            return response.WriteAsJsonAsync(new Http.Endpoints.HealthResponse(), PlaneJson.Http);
        }

        response.StatusCode = context.Request.Path == "/pub/health" || context.Request.Path == "/ctrl/status"
            ? StatusCodes.Status500InternalServerError
            : ErrorStatus.Of(ErrorKind.DatabaseError);
        response.Headers.RetryAfter = "1";
        response.Headers.Connection = "close";
        var error = new PlaneError
        {
            Id = RandomText.Name(""),
            Kind = ErrorKind.DatabaseError,
            Message = $"the controller is starting and waits for its database: {reason}",
        };
        return response.WriteAsJsonAsync(error, PlaneJson.Http);
    }
}
