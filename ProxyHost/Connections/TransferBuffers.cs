using System.Buffers;
using Microsoft.AspNetCore.Connections;

namespace Plane.Proxy.Connections;

/// <summary>
/// The web server's buffers, which also are the pieces that it reads from a socket: of 8 kB instead of 4, so that a large body takes half of the system calls, and from the pool that
/// everybody shares. A connection has one only while there is something to read or write; with 16 kB many that come at once left a kilobyte more for each.
/// </summary>
internal sealed class TransferBuffers : IMemoryPoolFactory<byte>
{
    private const int Size = 8 * 1024;

    public MemoryPool<byte> Create(MemoryPoolOptions? options = null) => new Pool();

    private sealed class Pool : MemoryPool<byte>
    {
        public override int MaxBufferSize => Shared.MaxBufferSize;

        public override IMemoryOwner<byte> Rent(int minBufferSize = -1) => Shared.Rent(Math.Max(minBufferSize, Size));

        protected override void Dispose(bool disposing)
        {
        }
    }
}
