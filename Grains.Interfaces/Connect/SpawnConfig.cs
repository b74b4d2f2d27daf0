using System.Text.Json.Serialization;
using Orleans;

namespace Plane;

/// <summary>How to start a backend where none holds the key.</summary>
[GenerateSerializer, Immutable, Alias("plane.SpawnConfig")]
public sealed record SpawnConfig
{
    /// <summary>The backend's name, where the application chooses it; never used twice.</summary>
    [Id(0)]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public BackendName? Id { get; init; }

    /// <summary>
    /// The cluster to run in; the controller's default where not given. A text, since an invalid one has an error kind of its own.
    /// </summary>
    [Id(1)]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Cluster { get; init; }

    /// <summary>Only drones of this pool.</summary>
    [Id(2)]
    public string Pool { get; init; } = "";

    /// <summary>What to run.</summary>
    [Id(3)]
    public required Executable Executable { get; init; }

    /// <summary>End it so many seconds after it was scheduled.</summary>
    [Id(4)]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? LifetimeLimitSeconds { get; init; }

    /// <summary>End it after so many seconds without a connection.</summary>
    [Id(5)]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? MaxIdleSeconds { get; init; }

    /// <summary>One token for everybody, which stays in the path.</summary>
    [Id(6)]
    public bool UseStaticToken { get; init; }

    /// <summary>The subdomain of the cluster under which alone it answers.</summary>
    [Id(7)]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Subdomain { get; init; }

    /// <summary>
    /// Whether it is opened in browsers by <see cref="ConnectResponse.BrowserUrl"/>: where no subdomain is given, one is drawn, so that the session has an origin of its own.
    /// </summary>
    [Id(8)]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool Browser { get; init; }

    /// <summary>The protocol that it speaks; HTTP/1.1 where not given.</summary>
    [Id(9)]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public BackendProtocol? Protocol { get; init; }

    /// <summary>Whether pages of other sites may show it in a frame: its cookie is then sent there too, one for each embedding site.</summary>
    [Id(10)]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool Embed { get; init; }

    /// <summary>Origins, as <c>https://app.example.com</c>, whose pages may use it with credentials: by CORS, and by WebSockets of a browser session.</summary>
    [Id(11)]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string[]? AllowedOrigins { get; init; }
}
