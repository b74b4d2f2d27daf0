namespace Plane;

/// <summary>
/// The clock of lease deadlines: counts on while the machine sleeps, is never set, and continues over a restart of the process. A reading means something only
/// together with <see cref="BootId"/>, and only on the machine it was read on.
/// </summary>
public interface ILeaseClock
{
    /// <summary>Milliseconds since the machine was started.</summary>
    long Milliseconds { get; }

    /// <summary>The kernel's boot id: readings of different boots cannot be compared.</summary>
    string BootId { get; }
}
