using System.Collections.Frozen;
using Microsoft.AspNetCore.Http;

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

    /// <summary>A host or subdomain that isn't served, or not by this backend.</summary>
    public static ProxyError Forbidden { get; } = new(
        "Forbidden", StatusCodes.Status403Forbidden, "the host is not served here", "This address isn’t served here", "The link leads to another host name. Please open it from the application.");

    /// <summary>Unknown or revoked token, ended backend: the three are not told apart to whoever asks.</summary>
    public static ProxyError Gone { get; } = new(
        "Gone", StatusCodes.Status410Gone, "the session has ended or the link is not valid", "This session has ended", "The link is no longer valid. Please go back to the application and open it again.");

    /// <summary>A backend that has ended, or is ending, and never was ready. The reasons are a closed set: what the operator reads of it is not for every client.</summary>
    public static ProxyError NeverReady(TerminationReason? reason) => reason is { } why && s_neverReady.TryGetValue(why, out var error) ? error : s_exited;

    /// <summary>No connection to the backend, or it broke.</summary>
    public static ProxyError BackendUnreachable { get; } = new(
        "BackendUnreachable", StatusCodes.Status502BadGateway, "the backend could not be reached or broke off", "The session doesn’t answer", "It may be restarting. Please try again in a moment.");

    /// <summary>The backend takes too long.</summary>
    public static ProxyError BackendTimeout { get; } = new(
        "BackendTimeout", StatusCodes.Status504GatewayTimeout, "the backend did not answer in time", "The session takes too long", "It may be busy. Please try again in a moment.");

    /// <summary>The controller is away.</summary>
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
