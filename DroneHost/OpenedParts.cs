namespace Plane.DroneHost;

/// <summary>The parts that the agent opens when it starts, on their way into the container. Nothing that needs one of them can be made before.</summary>
internal sealed class OpenedParts
{
    private readonly Dictionary<Type, object> _parts = [];

    /// <summary>Hands a part over. The container closes it once it was asked for it.</summary>
    public void Add<T>(T part)
        where T : class => _parts.Add(typeof(T), part);

    /// <summary>A part that is open.</summary>
    public T Get<T>()
        where T : class => (T)_parts[typeof(T)];
}
