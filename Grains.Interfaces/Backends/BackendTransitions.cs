using System.Collections.Frozen;

namespace Plane;

/// <summary>
/// The rule of a backend's life: only forward. The function <c>plane.apply_states</c> has the same rule for PostgreSQL; the tests of stores hold both against this one. The controller sets
/// <see cref="BackendStatus.Scheduled"/> at the start and <see cref="BackendStatus.Terminated"/> for what is lost.
/// </summary>
public static class BackendTransitions
{
    /// <summary>All states, in the order of a life.</summary>
    public static IReadOnlyList<BackendStatus> Order { get; } = [.. Enum.GetValues<BackendStatus>().Order()];

    private static readonly FrozenDictionary<string, BackendStatus> s_byWireName = Order.ToFrozenDictionary(WireName);

    /// <summary>Whether a backend may go from one state to another: a drone may report any later state, the controller only ends.</summary>
    /// <param name="from">The stored state.</param>
    /// <param name="to">The reported state.</param>
    /// <param name="by">Who reports it.</param>
    public static bool IsAllowed(BackendStatus from, BackendStatus to, TransitionSource by) => to > from && (by == TransitionSource.Drone || to == BackendStatus.Terminated);

    /// <summary>Whether requests may be forwarded in this state: it answers, or is ending and may still finish what it began.</summary>
    /// <param name="status">The state.</param>
    public static bool IsRoutable(this BackendStatus status) =>
        status is BackendStatus.Ready or BackendStatus.Terminating or BackendStatus.HardTerminating;

    /// <summary>The state's name on the wire, as <c>hard-terminating</c>.</summary>
    /// <param name="status">The state.</param>
    public static string WireName(this BackendStatus status) => status switch
    {
        BackendStatus.HardTerminating => "hard-terminating",
        _ => status.ToString().ToLowerInvariant(),
    };

    /// <summary>Reads a wire name.</summary>
    /// <param name="text">The name, as <c>hard-terminating</c>.</param>
    /// <param name="status">The state.</param>
    public static bool TryParseWireName(string? text, out BackendStatus status)
    {
        status = default;
        return text is not null && s_byWireName.TryGetValue(text, out status);
    }
}
