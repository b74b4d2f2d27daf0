using System.Globalization;

namespace Plane.DroneHost.Runtimes;

/// <summary>What was seen of the sockets at and around a backend's address.</summary>
/// <param name="IsOwn">Whether what listens there is proven to be this backend: only then its token may lead there.</param>
/// <param name="Hint">What its owner should change, as sentences; null where it listens as it should.</param>
public sealed record ListenerLook(bool IsOwn, string? Hint)
{
    private const int MostNamed = 5;

    /// <summary>Whether another program listens at the address.</summary>
    public bool IsForeign { get; private init; }

    /// <summary>It listens where it should.</summary>
    public static ListenerLook Own { get; } = new(true, null);

    /// <summary>Nothing of it listens there.</summary>
    /// <param name="elsewhere">Where it listens instead, as far as that can be seen; null where it can't.</param>
    /// <param name="expected">Where it must listen, as <c>on 0.0.0.0 and the port in the variable PORT (8080)</c>.</param>
    /// <param name="foreign">The address, where another program listens there.</param>
    internal static ListenerLook NotOwn(IEnumerable<ListeningSocket>? elsewhere, string expected, string? foreign = null)
    {
        var seen = elsewhere?.Select(s => s.EndPoint.ToString()).Distinct().Order(StringComparer.Ordinal).ToList();
        var instead = seen switch
        {
            null => "",
            [] => "It listens on no port. ",
            { Count: <= MostNamed } => $"It listens on {string.Join(", ", seen)}. ",
            _ => string.Create(CultureInfo.InvariantCulture, $"It listens on {string.Join(", ", seen.Take(MostNamed))} and {seen.Count - MostNamed} more. "),
        };
        var other = foreign is null ? "" : $"Another program listens on {foreign}. ";
        return new ListenerLook(false, $"{other}{instead}A backend must listen {expected}.") { IsForeign = foreign is not null };
    }
}
