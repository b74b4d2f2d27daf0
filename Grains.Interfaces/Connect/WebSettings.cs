using System.Text.Json.Serialization;
using Orleans;

namespace Plane;

/// <summary>The protocol that a backend speaks on its port.</summary>
[GenerateSerializer, Alias("plane.BackendProtocol")]
[JsonConverter(typeof(StrictEnumConverter<BackendProtocol>))]
public enum BackendProtocol
{
    /// <summary>HTTP/1.1.</summary>
    [JsonStringEnumMemberName("http1")]
    Http1 = 0,

    /// <summary>HTTP/2 without TLS, with prior knowledge (RFC 9113 section 3.3): gRPC.</summary>
    [JsonStringEnumMemberName("h2c")]
    H2c = 1,
}

/// <summary>What a proxy has to know of a backend beside its address, where that is not the usual.</summary>
[GenerateSerializer, Immutable, Alias("plane.WebSettings")]
public sealed record WebSettings
{
    /// <summary>The protocol that it speaks.</summary>
    [Id(0)]
    public BackendProtocol Protocol { get; init; }

    /// <summary>Whether other sites may show it in a frame.</summary>
    [Id(1)]
    public bool Embed { get; init; }

    /// <summary>The origins whose pages may use it with credentials.</summary>
    [Id(2)]
    public string[] AllowedOrigins { get; init; } = [];

    /// <summary>The settings of a spawn config; null where all are the usual ones.</summary>
    /// <param name="spawn">The spawn config.</param>
    public static WebSettings? Of(SpawnConfig spawn)
    {
        ArgumentNullException.ThrowIfNull(spawn);
        return spawn is { Protocol: null or BackendProtocol.Http1, Embed: false, AllowedOrigins: null or [] }
            ? null
            : new WebSettings { Protocol = spawn.Protocol ?? BackendProtocol.Http1, Embed = spawn.Embed, AllowedOrigins = spawn.AllowedOrigins ?? [] };
    }
}
