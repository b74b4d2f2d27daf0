using System.Net;
using System.Net.Sockets;

namespace Plane.DroneHost.Runtimes.Docker;

/// <summary>Where the engine's API is: <c>unix:///var/run/docker.sock</c> or <c>tcp://127.0.0.1:2375</c>.</summary>
internal sealed record DockerEndpoint
{
    private const string Unix = "unix://";
    private const string Tcp = "tcp://";

    private readonly EndPoint _address;

    private DockerEndpoint(string text, EndPoint address)
    {
        Text = text;
        _address = address;
    }

    /// <summary>As it was given.</summary>
    public string Text { get; }

    /// <summary>Whether the engine's processes are this machine's: only a unix socket says so.</summary>
    public bool IsLocal => _address is UnixDomainSocketEndPoint;

    /// <summary>Reads one.</summary>
    /// <param name="text">The text.</param>
    /// <param name="problem">What is wrong with it.</param>
    public static DockerEndpoint? TryParse(string? text, out string? problem)
    {
        problem = null;
        if (text is not null && text.StartsWith(Unix, StringComparison.Ordinal))
        {
            var path = text[Unix.Length..];
            if (path is ['/', ..] && System.Text.Encoding.UTF8.GetByteCount(path) < 108)
            {
                return new DockerEndpoint(text, new UnixDomainSocketEndPoint(path));
            }

            problem = "a unix socket has an absolute path of less than 108 bytes";
            return null;
        }

        if (text is not null && text.StartsWith(Tcp, StringComparison.Ordinal)
            && Uri.TryCreate(text, UriKind.Absolute, out var uri) && uri is { Host.Length: > 0, Port: > 0, PathAndQuery: "/" or "", UserInfo: "" })
        {
            return new DockerEndpoint(text, new DnsEndPoint(uri.IdnHost.Trim('[', ']'), uri.Port));
        }

        problem = "must be unix:///PATH or tcp://HOST:PORT";
        return null;
    }

    /// <summary>Why no connection could be opened.</summary>
    /// <param name="failure">What <see cref="ConnectAsync"/> threw.</param>
    public string Explain(SocketException failure) => (_address, failure.SocketErrorCode) switch
    {
        // So the runtime calls ENOENT.
        (UnixDomainSocketEndPoint, SocketError.AddressNotAvailable) => "there is no such socket",
        (UnixDomainSocketEndPoint, SocketError.ConnectionRefused) => "no program listens on the socket",
        (UnixDomainSocketEndPoint, SocketError.AccessDenied) => "this user may not open the socket",
        (DnsEndPoint name, SocketError.HostNotFound or SocketError.TryAgain or SocketError.NoData) => $"{name.Host} cannot be resolved",
        _ => failure.Message,
    };

    /// <summary>Opens a connection.</summary>
    public async ValueTask<Stream> ConnectAsync(CancellationToken cancellationToken)
    {
        var socket = _address is UnixDomainSocketEndPoint
            ? new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified)
            : new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            if (!IsLocal)
            {
                // An event stream is silent for hours; a peer that went away without a word must be found out.
                socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
                socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, 10);
                socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, 5);
                socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveRetryCount, 3);
            }

            await socket.ConnectAsync(_address, cancellationToken);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
