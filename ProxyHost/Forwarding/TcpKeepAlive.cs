using System.Net.Sockets;

namespace Plane.ProxyHost.Forwarding;

/// <summary>What finds a dead peer of an idle connection, since no time-out of ours does: probes after 30 s, dead after three more of 10 s.</summary>
internal static class TcpKeepAlive
{
    /// <summary>Sets it. On a listening socket it is inherited by what is accepted (tcp(7)).</summary>
    public static void Set(Socket socket)
    {
        socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, 30);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, 10);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveRetryCount, 3);
    }
}
