using System.Collections.Frozen;
using Microsoft.AspNetCore.Http;
using Plane.ProxyHost.Routes;
using Plane.ProxyHost.Signing;

namespace Plane.ProxyHost.Answers;

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

    /// <summary>Unknown or revoked token, ended backend: the three are not told apart for a client.</summary>
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

    /// <summary>A service's host whose label leads to no key that any controller knows.</summary>
    public static ProxyError NoSuchSession { get; } = new(
        "NotFound",
        StatusCodes.Status404NotFound,
        "there is no such session: no key with this label is known; ask for its URL (GET /ctrl/s/SERVICE/url), or name the key in the signed token",
        "There is nothing at this address",
        "The address belongs to no session. Please open it from the application.");

    /// <summary>The service runs as many backends as it may.</summary>
    public static ProxyError ServiceFull { get; } = Passing(
        "ServiceFull", StatusCodes.Status503ServiceUnavailable, "the service runs as many backends as max_backends allows", "All places are taken", "As soon as one is free, this page opens the session.");

    /// <summary>Backends of the key end one after another.</summary>
    public static ProxyError CrashLoop { get; } = Passing(
        "CrashLoop",
        StatusCodes.Status503ServiceUnavailable,
        "the last backends of this session ended by an error; the next start is after Retry-After",
        "This session does not start",
        "It ended by an error several times. This page tries again by itself, after a pause.");

    /// <summary>Too many starts by requests lately.</summary>
    public static ProxyError WakeLimited { get; } = Passing(
        "WakeLimited",
        StatusCodes.Status429TooManyRequests,
        "requests have started too many backends lately, of this service or from this network",
        "One moment, please",
        "Many sessions are being started right now. This page tries again by itself.");

    /// <summary>No drone has room.</summary>
    public static ProxyError NoDroneAvailable { get; } = Passing(
        "NoDroneAvailable", StatusCodes.Status503ServiceUnavailable, "no drone can start the backend now", "All machines are busy", "As soon as one is free, this page opens the session.");

    /// <summary>The controller starts no backend, for a reason that is the operator's to read.</summary>
    public static ProxyError NotStartable { get; } = new(
        "NotStartable",
        StatusCodes.Status502BadGateway,
        "no backend could be started or joined for this session; the controller's log has the reason",
        "This session could not be started",
        "Please go back to the application and open it again.");

    /// <summary>The web service that decides who may enter can't be asked, or its answer can't be understood.</summary>
    public static ProxyError ForwardAuthUnavailable { get; } = new(
        "ForwardAuthUnavailable",
        StatusCodes.Status502BadGateway,
        "the forward_auth URL of the service can't be reached, or does not answer as it should; the proxy's log has the reason",
        "We can’t check who you are",
        "The login service does not answer. Please try again in a moment.");

    /// <summary>The web service that decides who may enter does not know the visitor.</summary>
    public static ProxyError ForwardAuthUnauthorized { get; } = new(
        "Unauthorized", StatusCodes.Status401Unauthorized, "the forward_auth URL of the service answered 401", "Please log in", "You are not logged in. Please open the session from the application.");

    /// <summary>The web service that decides who may enter does not let the visitor in.</summary>
    public static ProxyError ForwardAuthForbidden { get; } = new(
        "Forbidden", StatusCodes.Status403Forbidden, "the forward_auth URL of the service refused the request", "You may not enter this session", "Your login does not open it.");

    /// <summary>A signed token that opens other keys.</summary>
    public static ProxyError TokenOfOtherKey { get; } = new(
        "TokenForbidden", StatusCodes.Status403Forbidden, "the signed token is for other keys than this host's", "Your link opens another session", "Please open this one from the application.");

    /// <summary>A token in the URL of a request that can't be led elsewhere.</summary>
    public static ProxyError TokenNotExchanged { get; } = new(
        "InvalidRequest",
        StatusCodes.Status400BadRequest,
        "?plane_token= is exchanged for a cookie by GET; a WebSocket and other methods bring the token as Authorization: Bearer, or as the cookie",
        "That request makes no sense here",
        "Please open the session from the application.");

    /// <summary>What is answered to a token that opens nothing.</summary>
    public static ProxyError Of(TokenProblem problem) => s_tokens.TryGetValue(problem, out var error) ? error : TokenOfOtherKey;

    private static readonly FrozenDictionary<TokenProblem, ProxyError> s_tokens = new Dictionary<TokenProblem, ProxyError>
    {
        [TokenProblem.Missing] = Token("TokenMissing", "a signed token is needed: as ?plane_token=, as Authorization: Bearer, or as the cookie that ?plane_token= sets"),
        [TokenProblem.TooLarge] = new(
            "TokenTooLarge",
            StatusCodes.Status400BadRequest,
            $"the signed token is longer than {TokenVerifier.MaxLength} characters, which is what fits into a cookie: put less into its auth claim",
            "That link is too long",
            "Please go back to the application and open the session again."),
        [TokenProblem.Malformed] = Token("TokenInvalid", "the signed token is not a compact JWS whose header has kid and alg"),
        [TokenProblem.UnknownKey] = Token("TokenInvalid", "the service has no signing key of the token's kid"),
        [TokenProblem.WrongAlgorithm] = Token("TokenInvalid", "the signed token's alg is not that of the service's key"),
        [TokenProblem.BadSignature] = Token("TokenInvalid", "the signature of the token is not valid"),
        [TokenProblem.BadClaims] = Token("TokenInvalid", "a claim of the signed token is missing, is there twice, or is not valid: exp, aud and one of key and keys are needed"),
        [TokenProblem.Expired] = Token("TokenExpired", "the signed token has expired"),
        [TokenProblem.NotYetValid] = Token("TokenNotYetValid", "the signed token is not valid yet: nbf or iat is in the future"),
        [TokenProblem.LivesTooLong] = Token("TokenInvalid", "the signed token's exp is more than 24 hours ahead"),
        [TokenProblem.OtherService] = new(
            "TokenForbidden", StatusCodes.Status403Forbidden, "the signed token is for another service: aud must be this one's name", "Your link opens something else", "Please open the session from the application."),
        [TokenProblem.OtherKey] = TokenOfOtherKey,
    }.ToFrozenDictionary();

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

    private static ProxyError Token(string kind, string message) => new(
        kind, StatusCodes.Status401Unauthorized, message, "This link does not open the session", "It may have expired. Please go back to the application and open the session again.")
    {
        Challenge = "Bearer",
    };

    private static ProxyError Passing(string kind, int status, string message, string title, string text) => new(kind, status, message, title, text) { IsPassing = true };

    public string Kind { get; }

    /// <summary>Whether it ends by itself: its page then repeats the request.</summary>
    public bool IsPassing { get; private init; }

    /// <summary>What is asked for where the status is 401 (RFC 9110 section 11.6.1); no browser asks for a password by it.</summary>
    public string Challenge { get; private init; } = "Cookie";

    public int Status { get; }

    /// <summary>For programs.</summary>
    public string Message { get; }

    /// <summary>For people, in a line.</summary>
    public string Title { get; }

    /// <summary>For people: what to do.</summary>
    public string Text { get; }
}
