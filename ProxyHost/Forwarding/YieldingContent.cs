using System.Net;

namespace Plane.ProxyHost.Forwarding;

/// <summary>A response's body, or the line that a switch of protocols has left, as a <see cref="YieldingStream"/>. Its headers were copied before.</summary>
internal sealed class YieldingContent : HttpContent
{
    private readonly bool _switched;
    private HttpContent? _body;

    /// <param name="body">What the handler made of the response.</param>
    /// <param name="switched">Whether the protocol was switched.</param>
    public YieldingContent(HttpContent body, bool switched)
    {
        _body = body;
        _switched = switched;
    }

    protected override Task<Stream> CreateContentReadStreamAsync() => CreateContentReadStreamAsync(CancellationToken.None);

    protected override async Task<Stream> CreateContentReadStreamAsync(CancellationToken cancellationToken)
    {
        var stream = await (_body ?? throw new ObjectDisposedException(nameof(YieldingContent))).ReadAsStreamAsync(cancellationToken);
        if (_switched && BackendStream.TakeFrom(stream) is { } connection)
        {
            // Everything of the handler's that belonged to it can go.
            _body.Dispose();
            _body = null;
            stream = connection;
        }

        return new YieldingStream(stream);
    }

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) =>
        throw new NotSupportedException("a response's body is read, not written");

    protected override bool TryComputeLength(out long length)
    {
        length = 0;
        return false;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _body?.Dispose();
        }

        base.Dispose(disposing);
    }
}
