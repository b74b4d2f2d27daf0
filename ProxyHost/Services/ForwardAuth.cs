using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Plane.ProxyHost.Forwarding;
using Plane.ProxyHost.Routes;
using Plane.ProxyHost.Sessions;

namespace Plane.ProxyHost.Services;

/// <summary>
/// Asks the web service at a service's <c>forward_auth</c> URL whether a request may enter: with its method and headers, without its body, and with what it was for as <c>x-original-method</c>,
/// <c>-host</c>, <c>-path</c>, <c>-uri</c> and <c>-proto</c> (and as <c>x-forwarded-…</c>, as other proxies have it). 2xx lets it in, as the user of the answer's headers.
/// <para>The same question within <see cref="ProxyOptions.ForwardAuthCache"/> is not sent again, and those at the same time are sent once. The same means: all of what is sent is. So an answer never
/// stands for a request that the web service would have seen otherwise.</para>
/// </summary>
internal sealed partial class ForwardAuth(ProxyOptions options, ProxyMetrics metrics, TimeProvider time, ILogger<ForwardAuth> logger) : IDisposable
{
    /// <summary>What the answer names the user by: the name that the backend sees it by, then those that login proxies use.</summary>
    private static readonly string[] s_userHeaders = ["x-verified-username", "Remote-User", "X-Auth-Request-User"];

    private const string DataHeader = "x-verified-user-data";
    private const int MaxData = 8 * 1024;
    private const int MaxCookies = 16;
    private const int Kept = 10_000;

    private readonly BoundedCache<Question> _questions = new(Kept);
    private readonly HttpMessageInvoker _client = new(new SocketsHttpHandler
    {
        AllowAutoRedirect = false,
        UseCookies = false,
        UseProxy = false,
        AutomaticDecompression = DecompressionMethods.None,
        ActivityHeadersPropagator = null,
        ConnectTimeout = options.ForwardAuthTimeout,
        PooledConnectionLifetime = TimeSpan.FromMinutes(2),
        MaxResponseHeadersLength = 64,
        RequestHeaderEncodingSelector = static (_, _) => Encoding.Latin1,
        ResponseHeaderEncodingSelector = static (_, _) => Encoding.Latin1,
    });

    /// <summary>Asks, or finds the answer to the same question.</summary>
    /// <exception cref="OperationCanceledException">The client left.</exception>
    public Task<AuthAnswer> AskAsync(HttpContext context, Uri url, string target)
    {
        // The CONNECT of a WebSocket over HTTP/2 (RFC 8441) is the GET that it is over HTTP/1.1, which a web service knows.
        var method = HttpMethods.IsConnect(context.Request.Method) ? HttpMethods.Get : context.Request.Method;
        var headers = HeadersOf(context, method, target);
        var hash = HashOf(url, method, headers);
        if (!_questions.TryGet(hash, out var question) || question.Until <= time.GetTimestamp())
        {
            question = new Question();
            var mine = question;
            question.Answer = AskAsync(url, method, headers, mine);
            _questions.Set(hash, question);
        }

        return question.Answer.WaitAsync(context.RequestAborted);
    }

    public void Dispose() => _client.Dispose();

    private async Task<AuthAnswer> AskAsync(Uri url, string method, IReadOnlyList<(string Name, string Value)> headers, Question question)
    {
        // Its connection may be opened by the caller's thread; the rest is not the caller's time.
        await Task.Yield();
        var begun = time.GetTimestamp();
        var answer = await SendAsync(url, method, headers);
        metrics.AuthAsked(answer.Outcome, time.GetElapsedTime(begun));
        question.Until = answer.MayBeKept ? time.GetTimestamp() + (long)(options.ForwardAuthCache.TotalSeconds * time.TimestampFrequency) : long.MinValue;
        return answer;
    }

    private async Task<AuthAnswer> SendAsync(Uri url, string method, IReadOnlyList<(string Name, string Value)> headers)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), url) { Version = HttpVersion.Version11, VersionPolicy = HttpVersionPolicy.RequestVersionExact };
        foreach (var (name, value) in headers)
        {
            if (!request.Headers.TryAddWithoutValidation(name, value))
            {
                // One that .NET counts to the body, as content-type: it is carried by an empty one.
                request.Content ??= new ByteArrayContent([]);
                request.Content.Headers.TryAddWithoutValidation(name, value);
            }
        }

        using var limit = new CancellationTokenSource(options.ForwardAuthTimeout, time);
        try
        {
            using var response = await _client.SendAsync(request, limit.Token);
            return Read(response);
        }
        catch (Exception e) when (e is HttpRequestException or OperationCanceledException)
        {
            LogUnavailable(url.Authority, limit.IsCancellationRequested ? $"no answer within {options.ForwardAuthTimeout.TotalSeconds:0.###} s" : e.Message);
            return AuthAnswer.Unavailable;
        }
    }

    private AuthAnswer Read(HttpResponseMessage response)
    {
        var status = (int)response.StatusCode;
        var headers = response.Headers.NonValidated;
        var mayBeKept = response.Headers.CacheControl?.NoStore != true;
        if (response.IsSuccessStatusCode)
        {
            var user = s_userHeaders.Select(n => TextOf(headers, n)).FirstOrDefault(v => v is { Length: > 0 });
            var given = TextOf(headers, DataHeader);
            var data = given is null ? null : ObjectOf(given);
            var problem = user is not null && NameRules.TextProblem(user, 1) is { } bad ? $"its user {bad}"
                : given is not null && data is null ? $"{DataHeader} must be a JSON object of at most {MaxData} characters"
                : null;
            if (problem is not null)
            {
                LogUnavailable(response.RequestMessage?.RequestUri?.Authority ?? "", problem);
                return AuthAnswer.Unavailable;
            }

            return new AuthAnswer { Outcome = AuthOutcome.Allowed, Status = status, Username = user is null ? null : HeaderText.Encode(user), UserData = data, MayBeKept = mayBeKept };
        }

        var cookies = headers.TryGetValues("Set-Cookie", out var set) ? set.Take(MaxCookies).Select(static c => PathScope.OfCookie(c, null)).OfType<string>().ToArray() : [];
        var location = Single(headers, "Location");
        if (status is StatusCodes.Status301MovedPermanently or StatusCodes.Status302Found or StatusCodes.Status303SeeOther or StatusCodes.Status307TemporaryRedirect && location is not null)
        {
            return new AuthAnswer { Outcome = AuthOutcome.Redirected, Status = StatusCodes.Status302Found, Location = location, Cookies = cookies };
        }

        if (status is < 400 or >= 500)
        {
            LogUnavailable(response.RequestMessage?.RequestUri?.Authority ?? "", $"it answered {status}");
            return AuthAnswer.Unavailable;
        }

        return new AuthAnswer
        {
            Outcome = AuthOutcome.Refused,
            Status = status,
            Challenge = Single(headers, "WWW-Authenticate"),
            Cookies = cookies,
            MayBeKept = mayBeKept && cookies.Length == 0,
        };
    }

    private static List<(string Name, string Value)> HeadersOf(HttpContext context, string method, string target)
    {
        var request = context.Request;
        var connection = request.Headers.Connection;
        var headers = new List<(string, string)>();
        foreach (var (name, values) in request.Headers)
        {
            // Other spellings too: services behind gateways of the CGI kind see x_original_path as x-original-path.
            if (HeaderRules.StaysFromRequest(name, connection, anyName: false) || HeaderRules.IsOriginal(name) || HeaderRules.FramesMessage(name))
            {
                continue;
            }

            foreach (var value in values)
            {
                var sent = name.Equals("Cookie", StringComparison.OrdinalIgnoreCase) ? SessionCookie.WithoutReserved(value ?? "") : value;
                if (sent is not null)
                {
                    headers.Add((name, sent));
                }
            }
        }

        var host = request.Headers.Host.ToString();
        var client = context.Connection.RemoteIpAddress is { } address ? (address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address).ToString() : "";
        headers.AddRange(
        [
            ("x-original-method", method), ("x-original-host", host), ("x-original-path", RequestTarget.Path(target)), ("x-original-uri", target), ("x-original-proto", request.Scheme),
            ("x-forwarded-method", method), ("x-forwarded-host", host), ("x-forwarded-uri", target), ("x-forwarded-proto", request.Scheme), ("x-forwarded-for", client),
        ]);
        return headers;
    }

    private static string HashOf(Uri url, string method, List<(string Name, string Value)> headers)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Append(url.AbsoluteUri);
        Append(method);
        foreach (var (name, value) in headers)
        {
            Append(name.ToLowerInvariant());
            Append(value);
        }

        return Convert.ToBase64String(hash.GetHashAndReset());

        // No header holds a line feed.
        void Append(string text) => hash.AppendData(Encoding.UTF8.GetBytes(text + "\n"));
    }

    private static string? Single(HttpHeadersNonValidated headers, string name) => headers.TryGetValues(name, out var values) && values.Count == 1 ? values.ToString() : null;

    // What isn't ASCII in it is UTF-8, as services send it.
    private static string? TextOf(HttpHeadersNonValidated headers, string name) => Single(headers, name) is { } value ? Encoding.UTF8.GetString(Encoding.Latin1.GetBytes(value)) : null;

    private static string? ObjectOf(string data) => data.Length <= MaxData && JsonText.TryParse(data, out var json) && json.Text.StartsWith('{') ? json.Text : null;

    [LoggerMessage(EventIds.ServiceForwardAuthUnavailable, LogLevel.Warning, "The forward_auth service at {Authority} could not be asked: {Reason}")]
    private partial void LogUnavailable(string authority, string reason);

    /// <summary>A question that was asked. Its word says until when the answer stands for others; while it is asked, it does.</summary>
    private sealed class Question
    {
        private long _until = long.MaxValue;

        public Task<AuthAnswer> Answer { get; set; } = null!;

        public long Until
        {
            get => Volatile.Read(ref _until);
            set => Volatile.Write(ref _until, value);
        }
    }
}
