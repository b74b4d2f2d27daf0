namespace Plane;

/// <summary>
/// Which keys are a service's: those of the namespace that has its name, and of all that begin with its name and a slash. The one place that maps between the key of a service and
/// the key that is held.
/// </summary>
public static class ServiceKeys
{
    /// <summary>What the namespaces begin with that Plane keeps for itself: no connect may name one.</summary>
    public const string Reserved = ".plane/";

    /// <summary>The key that is held for a key of a service: <c>name</c> in <c>service</c>, or in <c>service/namespace</c> where it has a namespace.</summary>
    /// <param name="service">The service.</param>
    /// <param name="key">The key as the service's callers name it.</param>
    public static KeyConfig Within(ServiceName service, KeyConfig key)
    {
        ArgumentNullException.ThrowIfNull(key);
        return key with { Namespace = key.Namespace.Length == 0 ? service.Value : $"{service.Value}/{key.Namespace}" };
    }

    /// <summary>The name of the only service that may own a namespace: what is before its first slash. Not every namespace has one.</summary>
    /// <param name="keyNamespace">The namespace of a key that is held.</param>
    public static ServiceName? OwnerOf(string keyNamespace)
    {
        ArgumentNullException.ThrowIfNull(keyNamespace);
        var slash = keyNamespace.IndexOf('/', StringComparison.Ordinal);
        return ServiceName.TryParse(slash < 0 ? keyNamespace : keyNamespace[..slash], out var service) ? service : null;
    }

    /// <summary>The opposite of <see cref="Within"/>: the key as the service's callers name it, or null where the service does not own it.</summary>
    /// <param name="service">The service.</param>
    /// <param name="key">The key that is held.</param>
    public static KeyConfig? Outside(ServiceName service, KeyConfig key)
    {
        ArgumentNullException.ThrowIfNull(key);
        return OwnerOf(key.Namespace) != service ? null
            : key with { Namespace = key.Namespace.Length == service.Value.Length ? "" : key.Namespace[(service.Value.Length + 1)..] };
    }

    /// <summary>Whether a namespace is one that Plane keeps for itself.</summary>
    /// <param name="keyNamespace">The namespace of a key.</param>
    public static bool IsReserved(string? keyNamespace) => keyNamespace?.StartsWith(Reserved, StringComparison.Ordinal) == true;

    /// <summary>What is wrong with a key of a service beside what is wrong with any key, or <see langword="null"/>.</summary>
    /// <param name="service">The service.</param>
    /// <param name="key">The key as the service's callers name it.</param>
    /// <param name="path">The path of the key in the request.</param>
    public static FieldError? Validate(ServiceName service, KeyConfig key, string path)
    {
        ArgumentNullException.ThrowIfNull(key);
        return key.Validate(path)
            ?? (Within(service, key).Validate(path) is null
                ? null
                : new FieldError($"{path}.namespace", $"must have at most {NameRules.MaxText - service.Value.Length - 1} characters: the service's name is put before it"));
    }
}
