using System.Collections.Frozen;
using Microsoft.AspNetCore.Http;
using Plane.Proxy.Routes;

namespace Plane.Proxy.Answers;

/// <summary>One kind of error that the proxy itself answers with. A closed set: what a program reads, and what a person who followed a link reads.</summary>
internal sealed class ProxyError
{
    private ProxyError(string kind, int status, string message, string title, string text)
    {
        Kind = kind;
        Status = status;
        Message = message;
        Title = title;
        Text = text;
    }

    /// <summary>The request can't be understood.</summary>
    public static ProxyError InvalidRequest { get; } = new(
        "InvalidRequest", StatusCodes.Status400BadRequest, "the request is malformed", "That request makes no sense here", "The address or the request is malformed.");

    /// <summary>There is nothing at the root.</summary>
    public static ProxyError NoToken { get; } = new(
        "InvalidRequest", StatusCodes.Status400BadRequest, "the path has no token", "Nothing to see at this address", "A link to a session is longer. Please open it from the application.");

    /// <summary>A path that has no token, on a host where none can be elsewhere: most often an absolute path of an application, or what a browser asks each host for.</summary>
    public static ProxyError NotFound { get; } = new(
        "NotFound",
        StatusCodes.Status404NotFound,
        "the path has no token: it begins with /TOKEN/, and an application's absolute paths leave it out (docs/applications.md, “Your application behind Plane”)",
        "There is nothing at this address",
        "The address does not say which session it belongs to. Please open the session from the application.");

    /// <summary>A path of the proxy's own that it doesn't have.</summary>
    public static ProxyError NoSuchPath { get; } = new(
        "NotFound", StatusCodes.Status404NotFound, "there is no such path under /.plane/", "There is nothing at this address", "Please open the session from the application.");

    /// <summary>A session's host, and neither a token in the path nor a cookie that holds one.</summary>
    public static ProxyError NoSession { get; } = new(
        "Unauthorized",
        StatusCodes.Status401Unauthorized,
        "there is no session: the path has no token, and no valid session cookie came with the request",
        "This session is not open here",
        "This browser has not entered the session, or has left it. Please open it from the application.");

    /// <summary>A cookie whose token is unknown or revoked, or whose backend has ended.</summary>
    public static ProxyError SessionEnded { get; } = new(
        "Unauthorized",
        StatusCodes.Status401Unauthorized,
        "the session has ended or its cookie is not valid",
        "This session has ended",
        "Please go back to the application and open it again.");

    /// <summary>A page of another origin uses a session's cookie.</summary>
    public static ProxyError ForeignOrigin { get; } = new(
        "Forbidden",
        StatusCodes.Status403Forbidden,
        "pages of this origin may not use the session; spawn_config.allowed_origins allows origins",
        "That request came from another site",
        "The session takes requests from its own pages only. Please open it from the application.");

    /// <summary>A page of another site shows the session in a frame.</summary>
    public static ProxyError NotEmbeddable { get; } = new(
        "Forbidden",
        StatusCodes.Status403Forbidden,
        "the session may not be shown in a frame; spawn_config.embed allows it",
        "This session can’t be shown here",
        "It does not allow other sites to show it inside their pages. Please open it from the application.");

    /// <summary>A host or subdomain that isn't served, or not by this backend.</summary>
    public static ProxyError Forbidden { get; } = new(
        "Forbidden", StatusCodes.Status403Forbidden, "the host is not served here", "This address isn’t served here", "The link leads to another host name. Please open it from the application.");

    /// <summary>Unknown or revoked token, ended backend: the three are not told apart to whoever asks.</summary>
    public static ProxyError Gone { get; } = new(
        "Gone", StatusCodes.Status410Gone, "the session has ended or the link is not valid", "This session has ended", "The link is no longer valid. Please go back to the application and open it again.");

    /// <summary>What is answered where a look-up found no route.</summary>
    /// <param name="resolution">How it ended.</param>
    /// <param name="unavailable">What is answered where the controller gave no answer.</param>
    public static ProxyError Of(Resolution resolution, ProxyError unavailable) => resolution.Outcome switch
    {
        ResolutionOutcome.Gone => Gone,
        ResolutionOutcome.NeverReady => NeverReady(resolution.Reason),
        ResolutionOutcome.Late => BackendTimeout,
        _ => unavailable,
    };

    /// <summary>A backend that has ended, or is ending, and never was ready. The reasons are a closed set: what the operator reads of it is not for every client.</summary>
    public static ProxyError NeverReady(TerminationReason? reason) => reason is { } why && s_neverReady.TryGetValue(why, out var error) ? error : s_exited;

    /// <summary>No connection to the backend, or it broke.</summary>
    public static ProxyError BackendUnreachable { get; } = new(
        "BackendUnreachable", StatusCodes.Status502BadGateway, "the backend could not be reached or broke off", "The session doesn’t answer", "It may be restarting. Please try again in a moment.");

    /// <summary>The backend takes too long.</summary>
    public static ProxyError BackendTimeout { get; } = new(
        "BackendTimeout", StatusCodes.Status504GatewayTimeout, "the backend did not answer in time", "The session takes too long", "It may be busy. Please try again in a moment.");

    /// <summary>The proxy itself has no file descriptor left, so that it opens no connection.</summary>
    public static ProxyError Exhausted { get; } = new(
        "Unavailable", StatusCodes.Status503ServiceUnavailable, "the proxy has no file descriptor left to reach the backend with", "One moment, please", "There are too many visitors right now. Please try again in a few seconds.");

    /// <summary>No controller answers.</summary>
    public static ProxyError Unavailable { get; } = new(
        "Unavailable", StatusCodes.Status503ServiceUnavailable, "the session can't be looked up at the moment", "One moment, please", "Sessions can’t be looked up right now. Please try again in a few seconds.");

    /// <summary>A fault of the proxy.</summary>
    public static ProxyError Other { get; } = new(
        "Other", StatusCodes.Status500InternalServerError, "an internal error; the id finds it in the log", "Something went wrong", "The error has been noted. Please try again in a moment.");

    private static readonly ProxyError s_exited = Unready("it exited", "It ended while it was being started.");

    private static readonly FrozenDictionary<TerminationReason, ProxyError> s_neverReady = new Dictionary<TerminationReason, ProxyError>
    {
        [TerminationReason.StartupTimeout] = Unready("it did not answer HTTP in time", "It did not answer in time."),
        [TerminationReason.InternalError] = Unready("it could not be started", "It could not be started."),
        [TerminationReason.External] = Unready("its end was requested", "It was ended while it was being started."),
        [TerminationReason.Swept] = Unready("its lifetime was over", "It was ended while it was being started."),
        [TerminationReason.KeyExpired] = Unready("its lease expired", "The machine that it was to run on was lost."),
        [TerminationReason.Lost] = Unready("its drone was lost", "The machine that it was to run on was lost."),
    }.ToFrozenDictionary();

    private static ProxyError Unready(string why, string text) => new(
        "NeverReady", StatusCodes.Status502BadGateway, $"the backend never became ready: {why}", "This session could not be started", $"{text} Please go back to the application and open it again.");

    public string Kind { get; }

    public int Status { get; }

    /// <summary>For programs.</summary>
    public string Message { get; }

    /// <summary>For people, in a line.</summary>
    public string Title { get; }

    /// <summary>For people: what to do.</summary>
    public string Text { get; }
}
