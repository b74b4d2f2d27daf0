using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Plane.Storage;

namespace Plane.Silo.Http;

/// <summary>
/// The outermost part of the pipeline: whatever leaves it is an answer in our error model, never an empty body and never a stack trace.
/// </summary>
internal sealed partial class ErrorMiddleware(
    RequestDelegate next, IStore store, DatabaseProbe database, IHostApplicationLifetime lifetime, ILogger<ErrorMiddleware> logger)
{
    public async Task InvokeAsync(HttpContext context)
    {
        try
        {
            if (context.Request.ContentLength > HttpLimits.MaxBody)
            {
                await TooLarge.ExecuteAsync(context);
                return;
            }

            await next(context);
            if (!context.Response.HasStarted && Fallback(context.Response) is { } error)
            {
                await error.ExecuteAsync(context);
            }
        }
        catch (Exception) when (context.RequestAborted.IsCancellationRequested)
        {
            // The caller left: there is no caller to answer, and that caused the failure.
            LogCallerLeft(logger, context.Request.Method, Hosting.Logging.LogText.Brief(context.Request.Path.Value ?? "", 200));
        }
        catch (Exception e)
        {
            await AnswerAsync(context, e);
        }
    }

    private static ApiError TooLarge { get; } =
        new(ErrorKind.PayloadTooLarge, $"the body must have at most {HttpLimits.MaxBody} bytes");

    // What routing answers by a bare status.
    private static ApiError? Fallback(HttpResponse response) => response.StatusCode switch
    {
        _ when response.ContentLength is not null || response.ContentType is not null => null,
        StatusCodes.Status404NotFound => ApiError.NotFound("route"),
        StatusCodes.Status405MethodNotAllowed => ApiError.Invalid("this route does not take this method") with { Status = 405 },
        StatusCodes.Status415UnsupportedMediaType => Json.JsonBody.NotJson,
        >= 400 and < 500 => ApiError.Invalid("the request is not valid") with { Status = response.StatusCode },
        _ => null,
    };

    private async Task AnswerAsync(HttpContext context, Exception e)
    {
        if (context.Response.HasStarted)
        {
            // Half of an answer must not look like a whole one.
            LogBroken(logger, context.Request.Method, Hosting.Logging.LogText.Brief(context.Request.Path.Value ?? "", 200), e);
            context.Abort();
            return;
        }

        var error = e switch
        {
            BadHttpRequestException { StatusCode: StatusCodes.Status413PayloadTooLarge } => TooLarge,
            BadHttpRequestException bad => ApiError.Invalid("the request could not be read") with { Status = bad.StatusCode },
            StoreUnavailableException unavailable => new ApiError(ErrorKind.DatabaseError, unavailable.ForCaller(store.Outage)) { Cause = e },
            Logs.OutputUnavailableException output => new ApiError(ErrorKind.Other, output.Message) { Status = 503, Cause = e },
            OperationCanceledException when lifetime.ApplicationStopping.IsCancellationRequested =>
                new ApiError(ErrorKind.Other, "the controller is stopping: send the request again") { Status = 503, Cause = e },
            _ when e is OperationCanceledException || CallFailed.IsUnknownOutcome(e) => await UnknownOutcomeAsync(e),
            _ => new ApiError(ErrorKind.Other, "unexpected error; search the controller's log for this id") { Cause = e },
        };
        await error.ExecuteAsync(context);
    }

    /// <summary>
    /// A call that may or may not have been carried out. Everything may be repeated, so 503. Grains don't pass on why (drones and proxies have no use for it);
    /// if the database doesn't answer us either, it is the reason.
    /// </summary>
    private async Task<ApiError> UnknownOutcomeAsync(Exception e) =>
        await database.ProblemAsync() is { } reason
            ? new ApiError(ErrorKind.DatabaseError, new StoreUnavailableException(reason).ForCaller(store.Outage)) { Cause = e }
            : new ApiError(ErrorKind.Other, "the request was not answered in time, and its outcome is unknown: send it again, which is safe") { Status = 503, Cause = e };

    [LoggerMessage(EventIds.ErrorMiddlewareCallerLeft, LogLevel.Debug, "{Method} {Path}: the caller closed the connection before the answer")]
    private static partial void LogCallerLeft(ILogger logger, string method, string path);

    [LoggerMessage(EventIds.ErrorMiddlewareBroken, LogLevel.Error, "{Method} {Path}: an error occurred while the answer was being sent; the connection was closed")]
    private static partial void LogBroken(ILogger logger, string method, string path, Exception exception);
}
