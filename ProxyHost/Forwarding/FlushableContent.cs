using System.Net;

namespace Plane.ProxyHost.Forwarding;

/// <summary>
/// A request's body that lets <see cref="RequestBodyClock"/> flush what the handler has gathered so far, and that ends where the backend no longer reads it: a backend that answers
/// early (401, 413) and closes leaves an answer to be read, which a failed write would keep the handler from.
/// </summary>
internal sealed class FlushableContent(HttpContent body, Exchange exchange) : HttpContent
{
    private static readonly byte[] s_filling = new byte[64 * 1024];

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) =>
        SerializeToStreamAsync(stream, context, CancellationToken.None);

    protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        exchange.Upstream = stream;
        BackendStream.Upload.Value = exchange;
        await body.CopyToAsync(new RequestStream(stream), context, cancellationToken);
        if (exchange.IsUnread && Headers.ContentLength is { } length)
        {
            // The handler insists on the length that it has sent. Nothing of this leaves: the connection takes no more.
            for (var left = length - exchange.Uploaded; left > 0; left -= s_filling.Length)
            {
                await stream.WriteAsync(s_filling.AsMemory(0, (int)Math.Min(left, s_filling.Length)), cancellationToken);
            }
        }
    }

    protected override bool TryComputeLength(out long length)
    {
        length = 0;
        return false;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            body.Dispose();
        }

        base.Dispose(disposing);
    }
}
