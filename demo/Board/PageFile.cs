using System.Security.Cryptography;

namespace Plane.Demo.Board;

/// <summary>A file of the page, held in memory, revalidated by its hash.</summary>
internal sealed class PageFile
{
    /// <summary>Nothing but our own files; data images for the icon and the eraser's cursor.</summary>
    private const string Policy =
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data: blob:; base-uri 'none'; form-action 'none'";

    private readonly byte[] _content;
    private readonly string _type;
    private readonly string _tag;

    private PageFile(string name, string type)
    {
        using var stream = typeof(PageFile).Assembly.GetManifestResourceStream(name)
            ?? throw new InvalidOperationException($"The assembly lacks {name}.");
        _content = new byte[stream.Length];
        stream.ReadExactly(_content);
        _type = type;
        _tag = $"\"{Convert.ToHexStringLower(SHA256.HashData(_content))[..16]}\"";
    }

    public static IReadOnlyDictionary<string, PageFile> All { get; } = new Dictionary<string, PageFile>
    {
        ["/"] = new("index.html", "text/html; charset=utf-8"),
        ["/board.css"] = new("board.css", "text/css; charset=utf-8"),
        ["/board.js"] = new("board.js", "text/javascript; charset=utf-8"),
    };

    public Task WriteAsync(HttpContext context)
    {
        var headers = context.Response.Headers;
        headers.ETag = _tag;
        headers.CacheControl = "no-cache";
        headers.ContentSecurityPolicy = Policy;
        headers.XContentTypeOptions = "nosniff";
        // The page's address holds the connection token.
        headers["referrer-policy"] = "no-referrer";
        if (context.Request.Headers.IfNoneMatch == _tag)
        {
            context.Response.StatusCode = StatusCodes.Status304NotModified;
            return Task.CompletedTask;
        }

        context.Response.ContentType = _type;
        context.Response.ContentLength = _content.Length;
        return context.Response.Body.WriteAsync(_content, context.RequestAborted).AsTask();
    }
}
