using System.Net;

namespace Plane.ProxyHost.Forwarding;

/// <summary>The body of a request that has none but has headers that describe one, or must not be sent twice.</summary>
internal sealed class EmptyContent : HttpContent
{
    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => Task.CompletedTask;

    protected override bool TryComputeLength(out long length)
    {
        length = 0;
        return true;
    }
}
