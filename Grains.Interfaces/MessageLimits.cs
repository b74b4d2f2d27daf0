namespace Plane;

/// <summary>
/// How large a message between a cluster client and a controller may be. One that is larger ends its sender's connection, before anything of it is read; other clients
/// notice nothing.
/// </summary>
public static class MessageLimits
{
    /// <summary>The head, with the grain's key in it: the longest key of the contract has some 3 kB. Orleans' own limit of 10 MiB would let a key of that size make a grain.</summary>
    public const int MaxHeaderBytes = 64 * 1024;

    /// <summary>
    /// The body. The largest are a batch of state events (<see cref="StateBatch.MaxEvents"/> messages of <see cref="StateEvent.MaxMessage"/> characters, some 8 MB) and a page of
    /// actions (4 MiB of orders and one more).
    /// </summary>
    public const int MaxBodyBytes = 16 * 1024 * 1024;
}
