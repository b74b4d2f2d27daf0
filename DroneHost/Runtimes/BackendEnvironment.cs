namespace Plane.DroneHost.Runtimes;

/// <summary>
/// What a backend finds in its environment: the user's variables and Plane's own, which the user's cannot override, not even one that Plane does not set this
/// time (a backend must be able to trust that a static token is Plane's).
/// </summary>
internal static class BackendEnvironment
{
    private const string Port = "PORT";
    private const string Backend = "SESSION_BACKEND_ID";
    private const string Key = "SESSION_BACKEND_KEY";
    private const string FencingToken = "SESSION_BACKEND_FENCING_TOKEN";
    private const string StaticToken = "SESSION_BACKEND_STATIC_TOKEN";
    private const string Warm = "SESSION_BACKEND_WARM";

    /// <summary>The names that are Plane's.</summary>
    public static IReadOnlySet<string> Reserved { get; } =
        new HashSet<string>(StringComparer.Ordinal) { Port, Backend, Key, FencingToken, StaticToken, Warm };

    /// <summary>The whole environment.</summary>
    /// <param name="start">The backend.</param>
    /// <param name="port">The port that it must listen on, as it sees it.</param>
    /// <exception cref="RuntimeFailureException">A name or value is not allowed in an environment.</exception>
    public static Dictionary<string, string> Compose(BackendStart start, int port)
    {
        var variables = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            [Port] = port.ToString(System.Globalization.CultureInfo.InvariantCulture),
            [Backend] = start.Identity.Backend.Value,
            [FencingToken] = start.Identity.Token.ToString(),
        };

        // A warm backend has no key before it is claimed. The guard finds its processes by the token, which is that of its start.
        (variables[Warm], variables[Key]) = ("1", start.Key.Name);
        variables.Remove(PoolKey.Is(start.Key) ? Key : Warm);
        if (start.StaticToken is { } token)
        {
            variables[StaticToken] = token.Value;
        }

        foreach (var (name, value) in start.Executable.Env ?? [])
        {
            if (name.Length == 0 || name.AsSpan().IndexOfAny('=', '\0') >= 0 || value is null || value.Contains('\0', StringComparison.Ordinal))
            {
                throw new RuntimeFailureException($"The environment variable {RuntimeText.Shown(name)} has an invalid name or value.");
            }

            if (!Reserved.Contains(name))
            {
                variables[name] = value;
            }
        }

        return variables;
    }
}
