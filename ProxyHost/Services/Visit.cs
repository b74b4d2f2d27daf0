namespace Plane.ProxyHost.Services;

/// <summary>One request to a service's host that was let in.</summary>
/// <param name="Service">The service.</param>
/// <param name="Policy">The policy by which it was let in.</param>
/// <param name="Route">The host.</param>
/// <param name="Visitor">The visitor.</param>
internal sealed record Visit(KnownService Service, ServicePolicy Policy, ServiceRoute Route, Visitor Visitor)
{
    /// <summary>Whether the service is as it was when the request was let in.</summary>
    public bool IsCurrent => ReferenceEquals(Service.Policy, Policy);

    /// <summary>The key, where the visitor's token names it in full.</summary>
    public KeyConfig? NamedKey => Visitor.Token?.KeyOf(Route.Label);

    /// <summary>The visitor's keys, for the controller: null where everyone may enter, the key is named in full, or this host's key is known, so that it was compared here.</summary>
    public KeyScope? Scope => Visitor.Token is { } token && NamedKey is null && Route.Key is null ? token.Scope : null;

    /// <summary>Whether the visitor may enter the key that the host turned out to lead to.</summary>
    public bool MayEnter => Visitor.Token is not { } token || NamedKey is not null || (Route.Key is { } key && token.Opens(key));
}
