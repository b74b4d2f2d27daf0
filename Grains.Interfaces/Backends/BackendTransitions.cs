using System.Collections.Frozen;

namespace Plane;

/// <summary>
/// The one table of a backend's life: from where, to where, said by whom. Code, tests and docs read this table. A drone may report any later state than the
/// stored one; the controller sets <see cref="BackendStatus.Scheduled"/> at the start and <see cref="BackendStatus.Terminated"/> for what is lost.
/// </summary>
public static class BackendTransitions
{
    /// <summary>All states, in the order of a life.</summary>
    public static IReadOnlyList<BackendStatus> Order { get; } = [.. Enum.GetValues<BackendStatus>().Order()];

    /// <summary>The allowed transitions.</summary>
    public static IReadOnlySet<(BackendStatus From, BackendStatus To, TransitionSource By)> Table { get; } =
        (from a in Order
         from b in Order
         where b > a
         from source in Enum.GetValues<TransitionSource>()
         where source == TransitionSource.Drone || b == BackendStatus.Terminated
         select (a, b, source)).ToFrozenSet();

    /// <summary>Whether the transition is in the table.</summary>
    /// <param name="from">The stored state.</param>
    /// <param name="to">The reported state.</param>
    /// <param name="by">Who reports it.</param>
    public static bool IsAllowed(BackendStatus from, BackendStatus to, TransitionSource by) => Table.Contains((from, to, by));

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
        foreach (var s in Order)
        {
            if (s.WireName() == text)
            {
                status = s;
                return true;
            }
        }

        status = default;
        return false;
    }
}
