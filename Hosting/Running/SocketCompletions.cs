namespace Plane.Hosting.Running;

/// <summary>Where the runtime runs what follows a socket's completion.</summary>
public static class SocketCompletions
{
    /// <summary>
    /// On the thread that waits for the sockets, instead of a thread of the pool that has to be woken for it: that is half of what a small request costs the
    /// proxy, and a tenth of what a connect to a held key costs the controller. To be called before the process uses its first socket, and only where nothing
    /// that follows a completion ever blocks or computes for long:
    /// <list type="bullet">
    /// <item>What clients send is not read there: the web server takes it to the pool, so that no client can hold up another by never pausing.</item>
    /// <item>In the proxy a backend's answer is passed on without waiting for anything but sockets, and long transfers give the thread back.</item>
    /// <item>In the controller it is PostgreSQL's answers that are read there, in pages of bounded size, and the next batch that is sent; grains run on
    /// the pool. The log never blocks: its queue drops what doesn't fit.</item>
    /// </list>
    /// The drone doesn't: it writes files that it waits for.
    /// </summary>
    public static void RunInline() => Environment.SetEnvironmentVariable("DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS", "1");
}
