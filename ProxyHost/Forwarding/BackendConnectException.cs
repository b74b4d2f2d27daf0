namespace Plane.ProxyHost.Forwarding;

/// <summary>No connection to a backend came about, so nothing of the request was sent.</summary>
internal sealed class BackendConnectException(string message, bool isSlow, Exception? inner = null) : IOException(message, inner)
{
    /// <summary>It took too long, rather than being refused.</summary>
    public bool IsSlow { get; } = isSlow;

    /// <summary>This process had no file descriptor for it: no fault of the backend.</summary>
    public bool IsExhausted { get; init; }

    /// <summary>The one within what a request failed with, if any.</summary>
    public static BackendConnectException? In(Exception? exception)
    {
        for (var e = exception; e is not null; e = e.InnerException)
        {
            if (e is BackendConnectException found)
            {
                return found;
            }
        }

        return null;
    }
}
