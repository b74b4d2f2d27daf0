using Microsoft.AspNetCore.Http;
using Plane.ProxyHost.Answers;
using Plane.ProxyHost.Sessions;
using Plane.ProxyHost.Signing;

namespace Plane.ProxyHost.Services;

/// <summary>Whether a request is let into a service: as which visitor, or what it is answered.</summary>
/// <param name="Visitor">Who visits; null where the request is refused.</param>
/// <param name="Error">Why it is refused.</param>
/// <param name="Answer">What the web service that was asked answers it with, where it did.</param>
internal readonly record struct Admission(Visitor? Visitor, ProxyError? Error = null, AuthAnswer? Answer = null)
{
    public static Admission Refused(ProxyError error) => new(null, error);
}

/// <summary>
/// Decides who may enter a service, before its key is looked at, so that no request that is refused starts anything:
/// <list type="number">
/// <item>A signed token as <c>Authorization: Bearer</c> was put there by the request's author. What an application uses there for itself names no key of the service, and passes.</item>
/// <item>Anything else a browser may have sent by itself, for any page: where the request comes from decides, as in browser sessions (<see cref="SessionAccess"/>).</item>
/// <item>Then the service's access: no one is asked anything, the cookie holds a signed token, or another web service lets the visitor in.</item>
/// </list>
/// </summary>
internal sealed class ServiceGate(TokenVerifier verifier, SessionCookie cookie, SessionAccess access, ForwardAuth forwardAuth)
{
    private const string Scheme = "Bearer ";

    /// <summary>Decides.</summary>
    /// <param name="context">The request.</param>
    /// <param name="policy">The service's policy.</param>
    /// <param name="route">The host.</param>
    /// <param name="target">The request's target.</param>
    public ValueTask<Admission> AdmitAsync(HttpContext context, ServicePolicy policy, ServiceRoute route, string target)
    {
        // 1.
        var bearer = policy.Access == ServiceAccessKind.Signed ? BearerOf(context.Request) : default;
        if (!bearer.IsEmpty && verifier.IsOf(policy.Keys, bearer))
        {
            return VerifyAsync(policy, route, bearer, header: true);
        }

        // 2.
        if (access.Refusal(context, policy.Web, route.Subdomain) is { } refusal)
        {
            return ValueTask.FromResult(Admission.Refused(refusal));
        }

        // 3.
        return policy.Access switch
        {
            ServiceAccessKind.Public => ValueTask.FromResult(new Admission(Visitor.Anyone)),
            ServiceAccessKind.Signed when cookie.TryFind(context.Request.Headers.Cookie, out var token) => VerifyAsync(policy, route, token, header: false),
            ServiceAccessKind.Signed when !bearer.IsEmpty => VerifyAsync(policy, route, bearer, header: true),
            ServiceAccessKind.Signed => ValueTask.FromResult(Admission.Refused(ProxyError.Of(TokenProblem.Missing))),
            _ => new ValueTask<Admission>(AskAsync(context, policy.ForwardAuth!, target)),
        };
    }

    /// <summary>
    /// Exchanges a signed token of the URL for the cookie, and leads to the URL without it. A visitor who follows the link may have any cookie, or none; a page of another origin may not have its
    /// token set, unless by leading there.
    /// </summary>
    public async Task<ProxyError?> ExchangeAsync(HttpContext context, ServicePolicy policy, ServiceRoute route, string target, ClusterName cluster)
    {
        if ((!HttpMethods.IsGet(context.Request.Method) && !HttpMethods.IsHead(context.Request.Method)) || context.Request.Headers.Upgrade.Count > 0)
        {
            return ProxyError.TokenNotExchanged;
        }

        if (access.Refusal(context, policy.Web, route.Subdomain) is { } refusal)
        {
            return refusal;
        }

        var rest = TokenQuery.Take(target, out var text);
        var verification = await verifier.VerifyAsync(route.Service, policy.Keys, text);
        if (verification.Token is not { } token)
        {
            return ProxyError.Of(verification.Problem);
        }

        if (!MayOpen(token, route))
        {
            return ProxyError.TokenOfOtherKey;
        }

        // Absolute, since //host/ at the beginning of a path would be another origin.
        cookie.Set(context.Response, text, policy.Web.IsEmbeddable, verifier.LeftOf(token));
        SessionEntry.Redirect(context.Response, $"{cluster.Scheme}://{route.Subdomain}.{cluster}{rest}");
        return null;
    }

    private ValueTask<Admission> VerifyAsync(ServicePolicy policy, ServiceRoute route, ReadOnlySpan<char> text, bool header)
    {
        var verification = verifier.VerifyAsync(route.Service, policy.Keys, text);
        return verification.IsCompletedSuccessfully ? ValueTask.FromResult(Admit(verification.Result, route, header)) : AwaitAsync(verification, route, header);
    }

    private static async ValueTask<Admission> AwaitAsync(ValueTask<Verification> verification, ServiceRoute route, bool header) => Admit(await verification, route, header);

    private static Admission Admit(Verification verification, ServiceRoute route, bool header) =>
        verification.Token is not { } token ? Admission.Refused(ProxyError.Of(verification.Problem))
        : MayOpen(token, route) ? new Admission(Visitor.By(token, header))
        : Admission.Refused(ProxyError.TokenOfOtherKey);

    // Where the label is a hash of a key that this proxy has not entered yet, and the token names keys by how they begin, the controller's word on the key is waited for (Visit.MayEnter).
    private static bool MayOpen(VerifiedToken token, ServiceRoute route) =>
        token.KeyOf(route.Label) is not null || (route.Key is { } key ? token.Opens(key) : token.HasPrefixes);

    private async Task<Admission> AskAsync(HttpContext context, Uri url, string target)
    {
        var answer = await forwardAuth.AskAsync(context, url, target);
        return answer.Outcome switch
        {
            AuthOutcome.Allowed => new Admission(Visitor.By(url, answer.Username, answer.UserData)),
            AuthOutcome.Refused => new Admission(null, answer.Status == StatusCodes.Status401Unauthorized ? ProxyError.ForwardAuthUnauthorized : ProxyError.ForwardAuthForbidden, answer),
            AuthOutcome.Redirected => new Admission(null, null, answer),
            _ => Admission.Refused(ProxyError.ForwardAuthUnavailable),
        };
    }

    private static ReadOnlySpan<char> BearerOf(HttpRequest request)
    {
        var header = request.Headers.Authorization;
        return header.Count == 1 && header[0] is { } value && value.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase) ? value.AsSpan(Scheme.Length).Trim(' ') : default;
    }
}
