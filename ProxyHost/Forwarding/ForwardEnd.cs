using Yarp.ReverseProxy.Forwarder;

namespace Plane.ProxyHost.Forwarding;

/// <summary>How one attempt to forward a request ended.</summary>
/// <param name="Kind">What became of it.</param>
/// <param name="Error">Of one that failed, what YARP reports.</param>
/// <param name="Unreachable">Of one that failed, why there was no connection; null where there was one.</param>
/// <param name="IsLate">Whether the backend took too long to begin its response.</param>
/// <param name="IsUnread">Whether the backend has closed the connection without having read the request, which may be repeated.</param>
internal readonly record struct ForwardEnd(
    ForwardKind Kind, ForwarderError Error = ForwarderError.None, BackendConnectException? Unreachable = null, bool IsLate = false, bool IsUnread = false)
{
    /// <summary>Whether the backend refused the connection: nothing was sent, and the controller may know another address by now.</summary>
    public bool IsRefused => Kind == ForwardKind.Failed && Unreachable is { IsSlow: false, IsExhausted: false };
}

/// <summary>The ways in which an attempt to forward a request ends.</summary>
internal enum ForwardKind
{
    /// <summary>The response is sent, or no client waits for one.</summary>
    Answered,

    /// <summary>Nothing was sent: the route has changed since it was looked up.</summary>
    Overtaken,

    /// <summary>Nothing was sent: the service that the request visits has changed since it was let in.</summary>
    ServiceChanged,

    /// <summary>Nothing was sent: a header of the request has no valid name.</summary>
    Malformed,

    /// <summary>It was not forwarded, or not answered.</summary>
    Failed,
}
