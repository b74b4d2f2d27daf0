namespace Plane;

/// <summary>
/// Marks an exception that says that something outside the program is away or in trouble, as its database. It ends what was being done, which is tried again; it
/// never ends the program.
/// </summary>
#pragma warning disable CA1040 // A mark on exceptions of several bases: an attribute would not be seen by "is".
public interface IOutsideFailure;
#pragma warning restore CA1040
