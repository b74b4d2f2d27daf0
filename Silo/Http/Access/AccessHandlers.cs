using System.Security.Claims;
using System.Text.Encodings.Web;
using Microsoft.AspNetCore.Authentication;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace Plane.Silo.Http.Access;

/// <summary>A scheme that says whether a caller may pass, and refuses in our error model. What it refuses is logged with the answer, not by the platform too.</summary>
internal abstract class AccessHandler(IOptionsMonitor<AuthenticationSchemeOptions> options, UrlEncoder encoder)
    : AuthenticationHandler<AuthenticationSchemeOptions>(options, NullLoggerFactory.Instance, encoder)
{
    protected AuthenticateResult Allowed() =>
        AuthenticateResult.Success(new AuthenticationTicket(new ClaimsPrincipal(new ClaimsIdentity([new Claim(ClaimTypes.Name, Scheme.Name)], Scheme.Name)), Scheme.Name));

    protected override async Task HandleChallengeAsync(AuthenticationProperties properties)
    {
        var failure = (await HandleAuthenticateOnceAsync()).Failure;
        await Error(failure?.Message ?? "this route needs authentication: send the control token as Authorization: Bearer").ExecuteAsync(Context);
    }

    protected virtual ApiError Error(string reason) => new(ErrorKind.Unauthorized, reason);
}

/// <summary>The static bearer token of <c>--ctrl-token-file</c>.</summary>
internal sealed class ControlTokenHandler(ControlToken token, IOptionsMonitor<AuthenticationSchemeOptions> options, UrlEncoder encoder) : AccessHandler(options, encoder)
{
    protected override Task<AuthenticateResult> HandleAuthenticateAsync() => Task.FromResult(token.Allows(Request) ? Allowed() : AuthenticateResult.NoResult());
}

/// <summary>The service of <c>--forward-auth</c>; not asked about changes that a page of another origin wants.</summary>
internal sealed class ForwardAuthHandler(ForwardAuth forward, ForeignPages pages, IOptionsMonitor<AuthenticationSchemeOptions> options, UrlEncoder encoder)
    : AccessHandler(options, encoder)
{
    private bool _isUnreachable;

    protected override async Task<AuthenticateResult> HandleAuthenticateAsync()
    {
        if (pages.RefusalOf(Request) is { } why)
        {
            return AuthenticateResult.Fail(why);
        }

        var verdict = await forward.AskAsync(Request, Context.RequestAborted);
        _isUnreachable = verdict == ForwardAuthVerdict.Unreachable;
        return _isUnreachable ? AuthenticateResult.Fail("the --forward-auth service could not be reached; the controller's log has the reason")
            : verdict == ForwardAuthVerdict.Allowed ? Allowed()
            : AuthenticateResult.NoResult();
    }

    protected override ApiError Error(string reason) => _isUnreachable ? new ApiError(ErrorKind.ForwardAuthUnavailable, reason) : base.Error(reason);
}

/// <summary>A caller of this machine, where nothing else is configured.</summary>
internal sealed class LocalCallerHandler(LocalCallers local, IOptionsMonitor<AuthenticationSchemeOptions> options, UrlEncoder encoder) : AccessHandler(options, encoder)
{
    protected override Task<AuthenticateResult> HandleAuthenticateAsync() =>
        Task.FromResult(local.RefusalOf(Request) is { } why ? AuthenticateResult.Fail(why) : Allowed());
}

/// <summary>Anyone, on what is open.</summary>
internal sealed class OpenHandler(IOptionsMonitor<AuthenticationSchemeOptions> options, UrlEncoder encoder) : AccessHandler(options, encoder)
{
    protected override Task<AuthenticateResult> HandleAuthenticateAsync() => Task.FromResult(Allowed());
}
