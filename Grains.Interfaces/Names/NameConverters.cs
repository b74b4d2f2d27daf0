using Orleans;

namespace Plane;

/// <summary>How a name travels between cluster clients and silos: by its text. Without one it is a name that was never set.</summary>
[GenerateSerializer, Alias("plane.NameText")]
internal struct NameText
{
    [Id(0)]
    public string? Value;
}

/// <summary>
/// Makes a name out of the text that came, by the name's own rule: no cluster client can bring in one that is invalid. What is not valid becomes the name that was never
/// set, which every structure has, and which the message that it belongs to refuses (<see cref="NameRules"/>). It is not an exception: Orleans 10.4 reads on only when more
/// comes after a message whose body it could not read, so the sender's other calls would hang.
/// </summary>
/// <typeparam name="T">The name.</typeparam>
internal abstract class NameConverter<T> : IConverter<T, NameText>
    where T : struct, IPlaneName<T>
{
    public T ConvertFromSurrogate(in NameText surrogate) =>
        T.TryParse(surrogate.Value, out var name) ? name : default;

    public NameText ConvertToSurrogate(in T value) => new() { Value = EqualityComparer<T>.Default.Equals(value, default) ? null : value.Value };
}

[RegisterConverter]
internal sealed class BackendNameConverter : NameConverter<BackendName>;

[RegisterConverter]
internal sealed class BearerTokenConverter : NameConverter<BearerToken>;

[RegisterConverter]
internal sealed class ClusterNameConverter : NameConverter<ClusterName>;

[RegisterConverter]
internal sealed class ControllerNameConverter : NameConverter<ControllerName>;

[RegisterConverter]
internal sealed class DnsServerNameConverter : NameConverter<DnsServerName>;

[RegisterConverter]
internal sealed class DroneNameConverter : NameConverter<DroneName>;

[RegisterConverter]
internal sealed class ProxyNameConverter : NameConverter<ProxyName>;

[RegisterConverter]
internal sealed class ServiceNameConverter : NameConverter<ServiceName>;

/// <summary>JSON that is passed through is read once where it comes in: what is stored and forwarded is valid.</summary>
[RegisterConverter]
internal sealed class JsonTextConverter : IConverter<JsonText, NameText>
{
    public JsonText ConvertFromSurrogate(in NameText surrogate) =>
        surrogate.Value is not null && JsonText.TryParse(surrogate.Value, out var json) ? json : default;

    public NameText ConvertToSurrogate(in JsonText value) => new() { Value = value == default ? null : value.Text };
}
