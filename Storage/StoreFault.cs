namespace Plane.Storage;

/// <summary>What keeps a database from serving connects.</summary>
/// <param name="Reason">The cause and, where it can be said, what to do. Callers and the log get it: no password, no SQL, no address.</param>
/// <param name="IsTotal">Whether no statement can succeed, so that none is tried before the database is available again.</param>
public sealed record StoreFault(string Reason, bool IsTotal);
