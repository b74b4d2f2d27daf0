using Plane.ProxyHost.Sessions;
using Plane.ProxyHost.Signing;

namespace Plane.ProxyHost.Services;

/// <summary>Who may enter a service, as the controller said it, ready for use. Immutable.</summary>
internal sealed class ServicePolicy
{
    /// <summary>Makes it ready.</summary>
    /// <param name="info">What the controller said.</param>
    /// <param name="keys">The service's keys.</param>
    public ServicePolicy(ServiceAccessInfo info, VerificationKeys keys)
    {
        Access = info.Access.Kind;
        ForwardAuth = info.Access.ForwardAuth is { } url ? new Uri(url) : null;
        Keys = keys;
        Web = new WebRules(info.AllowedOrigins, info.Embed);
        ReadAt = info.ReadAt;
    }

    /// <summary>How it is decided who may enter.</summary>
    public ServiceAccessKind Access { get; }

    /// <summary>The URL that is asked, where <see cref="Access"/> is <see cref="ServiceAccessKind.ForwardAuth"/>.</summary>
    public Uri? ForwardAuth { get; }

    /// <summary>The keys that tokens are verified with.</summary>
    public VerificationKeys Keys { get; }

    /// <summary>Which pages of other origins may use its sessions.</summary>
    public WebRules Web { get; }

    /// <summary>The place in the change log at which it was read.</summary>
    public LogPosition ReadAt { get; }

    /// <summary>Whether a visitor who was let in before would be let in now, as far as that is the service's to say.</summary>
    public bool Admits(Visitor visitor) => Access switch
    {
        ServiceAccessKind.Public => true,
        ServiceAccessKind.Signed => visitor.Token is { } token && Keys.Has(token.SignedBy),
        _ => visitor.AdmittedBy is { } url && url == ForwardAuth,
    };
}
