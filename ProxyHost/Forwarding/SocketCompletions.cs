namespace Plane.Proxy.Forwarding;

/// <summary>Where the runtime runs what follows a socket's completion.</summary>
public static class SocketCompletions
{
    /// <summary>
    /// On the thread that waits for the sockets, instead of a thread of the pool that has to be woken for it: that is half of what a small request costs the
    /// proxy. To be called before the process uses its first socket, and only where nothing that follows a completion ever blocks: a backend's answer is passed
    /// on without waiting for anything but sockets, and long transfers give the thread back (<see cref="FairStream"/>). What clients send is not read there: the
    /// web server takes it to the pool, so that no client can hold up another by never pausing.
    /// </summary>
    public static void RunInline() => Environment.SetEnvironmentVariable("DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS", "1");
}
