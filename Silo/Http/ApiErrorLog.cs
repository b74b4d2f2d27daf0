using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Plane.Hosting.Logging;

namespace Plane.Silo.Http;

/// <summary>What an error leaves in the log, under the id that its answer carries. Never the query or the body: they may hold names of users and secrets.</summary>
internal static partial class ApiErrorLog
{
    public static void Log(this ApiError error, ILogger logger, string id, HttpRequest request)
    {
        var path = LogText.Brief(request.Path.Value ?? "", 200);
        if (error.IsLogged)
        {
            LogKnown(logger, error.Status, error.Kind, id, request.Method, path, error.Message);
        }
        else if (error.Status >= 500 && error.Status != StatusCodes.Status503ServiceUnavailable)
        {
            LogFailed(logger, error.Status, error.Kind, id, request.Method, path, error.Message, error.Cause);
        }
        else if (error.Status >= 500)
        {
            LogUnavailable(logger, error.Status, error.Kind, id, request.Method, path, error.Message, Because(error));
        }
        else
        {
            LogRefused(logger, error.Status, error.Kind, id, request.Method, path, error.Message);
        }
    }

    // Nothing where it would say once more what the message begins with.
    private static string Because(ApiError error) =>
        error.Cause is { } cause && !error.Message.StartsWith(cause.Message, StringComparison.Ordinal) ? $" ({cause.Message})" : "";

    [LoggerMessage(EventIds.ApiErrorLogRefused, LogLevel.Information, "{Status} {Kind} {Id}: {Method} {Path}: {Message}")]
    private static partial void LogRefused(ILogger logger, int status, ErrorKind kind, string id, string method, string path, string message);

    [LoggerMessage(EventIds.ApiErrorLogUnavailable, LogLevel.Warning, "{Status} {Kind} {Id}: {Method} {Path}: {Message}{Because}")]
    private static partial void LogUnavailable(
        ILogger logger, int status, ErrorKind kind, string id, string method, string path, string message, string because);

    [LoggerMessage(EventIds.ApiErrorLogKnown, LogLevel.Debug, "{Status} {Kind} {Id}: {Method} {Path}: {Message}")]
    private static partial void LogKnown(ILogger logger, int status, ErrorKind kind, string id, string method, string path, string message);

    [LoggerMessage(EventIds.ApiErrorLogFailed, LogLevel.Error, "{Status} {Kind} {Id}: {Method} {Path}: {Message}")]
    private static partial void LogFailed(
        ILogger logger, int status, ErrorKind kind, string id, string method, string path, string message, Exception? exception);
}
