namespace Plane.ProxyHost.Sessions;

/// <summary>Which pages beside a session's own may use it: of one backend, or of a service.</summary>
/// <param name="AllowedOrigins">Origins whose pages may use it with credentials.</param>
/// <param name="IsEmbeddable">Whether pages of other sites may show it in a frame.</param>
internal sealed record WebRules(string[] AllowedOrigins, bool IsEmbeddable);
