namespace Plane.Proxy.Forwarding;

/// <summary>How a request names its session.</summary>
/// <param name="Target">Its target as it was received.</param>
/// <param name="Subdomain">The subdomain of its host, or the empty string.</param>
/// <param name="ByCookie">Whether its token is in the cookie rather than in the path.</param>
internal readonly record struct Asked(string Target, string Subdomain, bool ByCookie);
