using Plane.ProxyHost.Services;

namespace Plane.ProxyHost.Forwarding;

/// <summary>How a request names its session.</summary>
/// <param name="Target">Its target as it was received.</param>
/// <param name="Subdomain">The subdomain of its host, or the empty string.</param>
/// <param name="ByCookie">Whether the path is the application's own, since the host, with a cookie or as a service's, says which session it is.</param>
/// <param name="Visit">The visit, where the host is a service's.</param>
internal readonly record struct Asked(string Target, string Subdomain, bool ByCookie, Visit? Visit = null);
