using System.Net;
using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Plane.Silo.Http.Access;

/// <summary>What the forward-auth service said.</summary>
internal enum ForwardAuthVerdict
{
    Allowed,
    Refused,
    Unreachable,
}

/// <summary>
/// Asks the service of <c>--forward-auth</c>: the request's method and headers, no body; in <c>x-original-path</c>, as Plane 0.5 has it, the path without <c>/ctrl</c> and the query;
/// in <c>x-forwarded-uri</c>, <c>-method</c>, <c>-host</c>, <c>-proto</c> and <c>-for</c>, as Traefik and others have them, the whole path with the query, the method, the host, the scheme and the caller's address.
/// Behind load balancers the last three are those that were taken from trusted ones (<c>TrustedProxies</c>). Any answer but 2xx refuses, redirects too.
/// </summary>
internal sealed partial class ForwardAuth(ControllerOptions options, TimeProvider time, ILogger<ForwardAuth> logger) : IDisposable
{
    // Of one connection, not of the request (RFC 9110 section 7.6.1); and what frames the body that isn't sent.
    private static readonly HashSet<string> s_notForwarded = new(StringComparer.OrdinalIgnoreCase)
    {
        "connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding", "upgrade",
        "content-length", "expect", "host",
    };

    private readonly HttpClient _client = new(new SocketsHttpHandler
    {
        AllowAutoRedirect = false,
        UseCookies = false,
        UseProxy = false,
        ActivityHeadersPropagator = null,
        ConnectTimeout = options.ForwardAuthTimeout,
        PooledConnectionLifetime = TimeSpan.FromMinutes(2),
        MaxResponseHeadersLength = 64,

        // As Kestrel read them: without it a value that isn't ASCII would fail the question.
        RequestHeaderEncodingSelector = static (_, _) => Encoding.UTF8,
    })
    {
        Timeout = Timeout.InfiniteTimeSpan,
    };

    public bool IsConfigured => options.ForwardAuth is not null;

    public async Task<ForwardAuthVerdict> AskAsync(HttpRequest request, CancellationToken cancellationToken)
    {
        using var question = Question(request);
        using var limit = new CancellationTokenSource(options.ForwardAuthTimeout, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            using var answer = await _client.SendAsync(question, HttpCompletionOption.ResponseHeadersRead, both.Token);
            return answer.IsSuccessStatusCode ? ForwardAuthVerdict.Allowed : ForwardAuthVerdict.Refused;
        }
        catch (HttpRequestException e)
        {
            LogUnreachable(logger, e.Message);
            return ForwardAuthVerdict.Unreachable;
        }
        catch (OperationCanceledException) when (limit.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            LogUnreachable(logger, $"no answer within {options.ForwardAuthTimeout.TotalSeconds:0.###} s");
            return ForwardAuthVerdict.Unreachable;
        }
    }

    public void Dispose() => _client.Dispose();

    private HttpRequestMessage Question(HttpRequest request)
    {
        var question = new HttpRequestMessage(new HttpMethod(request.Method), options.ForwardAuth)
        {
            Version = HttpVersion.Version11,
            VersionPolicy = HttpVersionPolicy.RequestVersionOrLower,
        };
        var named = request.Headers.Connection.SelectMany(v => v?.Split(',') ?? []).Select(v => v.Trim()).ToHashSet(StringComparer.OrdinalIgnoreCase);
        foreach (var (name, values) in request.Headers)
        {
            if (s_notForwarded.Contains(name) || named.Contains(name) || IsOurs(name))
            {
                continue;
            }

            if (!question.Headers.TryAddWithoutValidation(name, (IEnumerable<string?>)values))
            {
                // A header that .NET counts to the body, as content-type: it is carried by an empty one.
                question.Content ??= new ByteArrayContent([]);
                question.Content.Headers.TryAddWithoutValidation(name, (IEnumerable<string?>)values);
            }
        }

        // As routing sees the path: decoded once and encoded again, so that both mean the same route.
        var path = request.Path.StartsWithSegments("/ctrl", StringComparison.OrdinalIgnoreCase, out var rest) ? rest : request.Path;
        var caller = request.HttpContext.Connection.RemoteIpAddress;
        question.Headers.TryAddWithoutValidation("x-original-path", path.HasValue ? path.ToUriComponent() : "/");
        question.Headers.TryAddWithoutValidation("x-forwarded-uri", request.Path.ToUriComponent() + request.QueryString.ToUriComponent());
        question.Headers.TryAddWithoutValidation("x-forwarded-method", request.Method);
        question.Headers.TryAddWithoutValidation("x-forwarded-host", request.Headers.Host.ToString());
        question.Headers.TryAddWithoutValidation("x-forwarded-proto", request.Scheme);
        question.Headers.TryAddWithoutValidation("x-forwarded-for", (caller is { IsIPv4MappedToIPv6: true } ? caller.MapToIPv4() : caller)?.ToString() ?? "");
        return question;
    }

    // What only we may say, in any spelling: services behind gateways of the CGI kind see x_original_path or x.original.path as x-original-path.
    private static bool IsOurs(string name)
    {
        var plain = string.Create(name.Length, name, static (to, from) =>
        {
            for (var i = 0; i < to.Length; i++)
            {
                to[i] = char.IsAsciiLetterOrDigit(from[i]) ? from[i] : '-';
            }
        });
        return plain.StartsWith("x-original-", StringComparison.OrdinalIgnoreCase)
            || plain.StartsWith("x-forwarded-", StringComparison.OrdinalIgnoreCase)
            || plain.Equals("forwarded", StringComparison.OrdinalIgnoreCase);
    }

    [LoggerMessage(EventIds.ForwardAuthUnreachable, LogLevel.Warning, "the forward-auth service could not be asked: {Reason}")]
    private static partial void LogUnreachable(ILogger logger, string reason);
}
