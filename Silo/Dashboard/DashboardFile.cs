using System.Security.Cryptography;
using Microsoft.AspNetCore.Http;

namespace Plane.Silo.Dashboard;

/// <summary>A file of the dashboard, held in memory, revalidated by its hash.</summary>
internal sealed class DashboardFile
{
    private readonly byte[] _content;
    private readonly string _type;
    private readonly string _tag;

    public DashboardFile(string name, string type)
    {
        using var stream = typeof(DashboardFile).Assembly.GetManifestResourceStream(name)
            ?? throw new InvalidOperationException($"The assembly lacks {name}.");
        _content = new byte[stream.Length];
        stream.ReadExactly(_content);
        _type = type;
        _tag = $"\"{Convert.ToHexStringLower(SHA256.HashData(_content))[..16]}\"";
    }

    public IResult Answer(HttpContext context)
    {
        var headers = context.Response.Headers;
        headers.ETag = _tag;
        headers.CacheControl = "no-cache";
        headers.XContentTypeOptions = "nosniff";
        return context.Request.Headers.IfNoneMatch == _tag ? TypedResults.StatusCode(StatusCodes.Status304NotModified) : TypedResults.Bytes(_content, _type);
    }
}
