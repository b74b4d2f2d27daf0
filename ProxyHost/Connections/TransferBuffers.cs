using System.Buffers;
using Microsoft.AspNetCore.Connections;

namespace Plane.ProxyHost.Connections;

/// <summary>
/// The web server's buffers, which also are the pieces that it reads from a socket: of 16 kB instead of 4, so that a large body takes a quarter of the system calls. They come from the
/// pool that everybody shares, which keeps few; a connection has one only while there is something to read or write.
/// </summary>
internal sealed class TransferBuffers : IMemoryPoolFactory<byte>
{
    private const int Size = 16 * 1024;

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
