using System.Net;
using System.Net.Sockets;

namespace Plane.Cli.Roles;

internal static class FreePort
{
    /// <summary>A port of this machine that no program listens on now.</summary>
    public static int Find()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }
}
