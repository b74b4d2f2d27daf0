using System.Text.Json.Serialization;
using Orleans;

namespace Plane;

/// <summary>The answer to a connect that succeeded.</summary>
[GenerateSerializer, Immutable, Alias("plane.ConnectResponse")]
public sealed record ConnectResponse
{
    /// <summary>The backend that holds the key.</summary>
    [Id(0)]
    public required BackendName BackendId { get; init; }

    /// <summary>Whether this request started it.</summary>
    [Id(1)]
    public required bool Spawned { get; init; }

    /// <summary>Its status.</summary>
    [Id(2)]
    public required BackendStatus Status { get; init; }

    /// <summary>The token in the URL.</summary>
    [Id(3)]
    public required BearerToken Token { get; init; }

    /// <summary><c>https://[subdomain.]cluster/token/</c>; <c>http</c> for a cluster with a port other than 443.</summary>
    [Id(4)]
    public required string Url { get; init; }

    /// <summary>The subdomain that the backend answers under.</summary>
    [Id(5)]
    public string? Subdomain { get; init; }

    /// <summary>A secret that the backend is shown with each request of this token (<c>x-verified-secret</c>); none for a static token.</summary>
    [Id(6)]
    public string? SecretToken { get; init; }

    /// <summary>Where its status can be read without authentication.</summary>
    [Id(7)]
    public required string StatusUrl { get; init; }

    /// <summary>The drone that was chosen; only where spawned.</summary>
    [Id(8)]
    public DroneName? Drone { get; init; }

    /// <summary>The key and its fencing token.</summary>
    [Id(9)]
    public required KeyInfo Key { get; init; }

    /// <summary>
    /// Where a browser enters the session: <c>https://subdomain.cluster/.plane/enter?token=…&amp;to=/</c> sets a cookie and leads to <c>to</c>, after which the token is in no URL. None for a
    /// backend without a subdomain or with a static token.
    /// </summary>
    [Id(10)]
    public string? BrowserUrl { get; init; }

    /// <summary>
    /// The session's own address (<see cref="ServiceLabel.UrlOf"/>), which stays when the backend ends and starts a new one on request. Who may enter is the service's
    /// <see cref="ServiceAccess"/>. None without a service.
    /// </summary>
    [Id(11)]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? ServiceUrl { get; init; }
}
