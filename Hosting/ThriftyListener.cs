using System.Net;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Plane.Hosting.Running;

namespace Plane.Hosting;

/// <summary>A listener that closes what it accepts at once while the process has only its last file descriptors: connections that are open continue, and the process stays alive.</summary>
internal sealed class ThriftyListener(IConnectionListener inner) : IConnectionListener
{
    public EndPoint EndPoint => inner.EndPoint;

    public async ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken = default)
    {
        while (await inner.AcceptAsync(cancellationToken) is { } connection)
        {
            if (connection.Features.Get<IConnectionSocketFeature>() is not { Socket: var socket } || !FileDescriptors.IsOfTheLast(socket))
            {
                return connection;
            }

            connection.Abort();
            await connection.DisposeAsync();
        }

        return null;
    }

    public ValueTask UnbindAsync(CancellationToken cancellationToken = default) => inner.UnbindAsync(cancellationToken);

    public ValueTask DisposeAsync() => inner.DisposeAsync();
}
