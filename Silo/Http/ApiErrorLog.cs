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
        if (error.Status >= 500 && error.Status != StatusCodes.Status503ServiceUnavailable)
        {
            LogFailed(logger, error.Status, error.Kind, id, request.Method, path, error.Message, error.Cause);
        }
        else if (error.Status >= 500)
        {
            LogUnavailable(logger, error.Status, error.Kind, id, request.Method, path, error.Message, error.Cause?.Message);
        }
        else
        {
            LogRefused(logger, error.Status, error.Kind, id, request.Method, path, error.Message);
        }
    }

    [LoggerMessage(6001, LogLevel.Information, "{Status} {Kind} {Id}: {Method} {Path}: {Message}")]
    private static partial void LogRefused(ILogger logger, int status, ErrorKind kind, string id, string method, string path, string message);

    [LoggerMessage(6002, LogLevel.Warning, "{Status} {Kind} {Id}: {Method} {Path}: {Message} {Cause}")]
    private static partial void LogUnavailable(
        ILogger logger, int status, ErrorKind kind, string id, string method, string path, string message, string? cause);

    [LoggerMessage(6003, LogLevel.Error, "{Status} {Kind} {Id}: {Method} {Path}: {Message}")]
    private static partial void LogFailed(
        ILogger logger, int status, ErrorKind kind, string id, string method, string path, string message, Exception? exception);
}
