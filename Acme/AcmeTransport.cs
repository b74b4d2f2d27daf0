using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;

namespace Plane.Acme;

/// <summary>One answer of an authority, with a body that was bounded as it was read.</summary>
/// <param name="Status">The status, 2xx.</param>
/// <param name="Body">The body.</param>
/// <param name="MediaType">Its type.</param>
/// <param name="Location">The header, if it is an https URL.</param>
/// <param name="RetryAfter">The header, as a time from now.</param>
/// <param name="Alternates">The links to other forms.</param>
internal sealed record AcmeAnswer(
    HttpStatusCode Status, byte[] Body, string MediaType, Uri? Location, TimeSpan? RetryAfter, IReadOnlyList<Uri> Alternates);

/// <summary>
/// HTTP to an authority. It is on the network, so nothing of it is taken on trust: redirects aren't followed (RFC 8555 section 6.1 has URLs come from the
/// directory), bodies and times are bounded, and whatever isn't an answer of the protocol becomes an <see cref="AcmeException"/>. Keeps the nonces.
/// </summary>
internal sealed class AcmeTransport : IDisposable
{
    private const int MaxBody = 1024 * 1024;
    private const int MaxNonces = 16;
    private const int MaxNonceLength = 512;
    private const int MaxAlternates = 5;

    // An authority that turns away every second nonce is passed with all but one of a million requests.
    private const int NonceAttempts = 20;

    private readonly HttpClient _http;
    private readonly TimeProvider _time;
    private readonly TimeSpan _timeout;
    private readonly ConcurrentQueue<string> _nonces = new();

    public AcmeTransport(AcmeClientOptions options, TimeProvider time)
    {
        _time = time;
        _timeout = options.RequestTimeout;
        var handler = new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseCookies = false,
            ConnectTimeout = options.RequestTimeout,
            PooledConnectionIdleTimeout = TimeSpan.FromSeconds(30),
        };
        if (options.Roots is { } roots)
        {
            var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
            policy.CustomTrustStore.AddRange(roots.ToArray());
            handler.SslOptions.CertificateChainPolicy = policy;
        }

        _http = new HttpClient(handler) { Timeout = Timeout.InfiniteTimeSpan, DefaultRequestVersion = HttpVersion.Version20 };
        _http.DefaultRequestHeaders.UserAgent.Add(new ProductInfoHeaderValue(options.UserAgent.Name, options.UserAgent.Version));
    }

    public Task<AcmeAnswer> GetAsync(Uri url, CancellationToken cancellationToken) => SendAsync(HttpMethod.Get, url, null, "application/json", cancellationToken);

    /// <summary>Sends a signed request, again with another nonce where the authority does not take the first.</summary>
    /// <param name="url">Where to.</param>
    /// <param name="newNonce">Where nonces come from.</param>
    /// <param name="accept">What is wanted.</param>
    /// <param name="sign">Makes the body for a nonce.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public async Task<AcmeAnswer> PostAsync(Uri url, Uri newNonce, string accept, Func<string, string> sign, CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            var nonce = await NonceAsync(newNonce, cancellationToken);
            using var content = new ByteArrayContent(Encoding.UTF8.GetBytes(sign(nonce)));
            content.Headers.ContentType = new MediaTypeHeaderValue("application/jose+json");
            try
            {
                return await SendAsync(HttpMethod.Post, url, content, accept, cancellationToken);
            }
            catch (AcmeException e) when (e.Problem?.Is("badNonce") == true && attempt < NonceAttempts)
            {
                // The refusal brought a fresh one.
            }
        }
    }

    public void Dispose() => _http.Dispose();

    public static T Read<T>(AcmeAnswer answer, Uri url)
    {
        if (!answer.MediaType.Equals("application/json", StringComparison.OrdinalIgnoreCase))
        {
            throw new AcmeException(AcmeFault.BadAnswer, $"{url} answered {Type(answer.MediaType)}, not JSON: is it an ACME server?");
        }

        try
        {
            return JsonSerializer.Deserialize<T>(answer.Body, AcmeJson.Options) ?? throw new JsonException("null");
        }
        catch (JsonException e)
        {
            throw new AcmeException(AcmeFault.BadAnswer, $"{url} answered JSON that is no {typeof(T).Name[4..].ToLowerInvariant()} of ACME", cause: e);
        }
    }

    private async Task<string> NonceAsync(Uri newNonce, CancellationToken cancellationToken)
    {
        if (_nonces.TryDequeue(out var nonce))
        {
            return nonce;
        }

        await SendAsync(HttpMethod.Head, newNonce, null, "*/*", cancellationToken);
        return _nonces.TryDequeue(out nonce) ? nonce : throw new AcmeException(AcmeFault.BadAnswer, $"{newNonce} answered without a nonce");
    }

    private async Task<AcmeAnswer> SendAsync(HttpMethod method, Uri url, HttpContent? content, string accept, CancellationToken cancellationToken)
    {
        if (!url.IsAbsoluteUri || url.Scheme != Uri.UriSchemeHttps)
        {
            throw new AcmeException(AcmeFault.BadAnswer, $"the authority named the address {AcmeProblem.Printable(url.OriginalString)}, which is not an https URL");
        }

        using var limit = new CancellationTokenSource(_timeout, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            using var request = new HttpRequestMessage(method, url) { Content = content, Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionOrLower };
            request.Headers.TryAddWithoutValidation("Accept", accept);
            using var response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, either.Token);
            KeepNonce(response);
            var body = await ReadBodyAsync(response, url, either.Token);
            var type = response.Content.Headers.ContentType?.MediaType ?? "";
            return response.IsSuccessStatusCode
                ? new AcmeAnswer(response.StatusCode, body, type, HttpsUrl(response.Headers.Location, url), RetryAfter(response), Alternates(response, url))
                : throw Refusal(response, type, body, url);
        }
        catch (OperationCanceledException) when (limit.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw new AcmeException(AcmeFault.Unreachable, $"{url} did not answer within {_timeout.TotalSeconds:0.#} s");
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            throw new AcmeException(AcmeFault.Unreachable, $"{url} can't be reached: {(e.InnerException ?? e).Message}", cause: e);
        }
    }

    private AcmeException Refusal(HttpResponseMessage response, string type, byte[] body, Uri url)
    {
        var status = (int)response.StatusCode;
        if (status is >= 300 and < 400)
        {
            return new AcmeException(
                AcmeFault.BadAnswer, $"{url} redirects to another address, and redirects of an authority are not followed: give the directory's own address");
        }

        var problem = type.Equals("application/problem+json", StringComparison.OrdinalIgnoreCase) ? AcmeProblem.TryRead(body) : null;
        var again = RetryAfter(response);

        // With 5xx and 429 it says that it can't now, not that it won't. A limit of its own it states as such, and is believed.
        return (status >= 500 || status == 429) && problem?.Is("rateLimited") != true
            ? new AcmeException(AcmeFault.Unreachable, $"{url} answered {status}{(problem is null ? "" : $": {problem}")}", problem) { RetryAfter = again }
            : problem is null
                ? new AcmeException(AcmeFault.BadAnswer, $"{url} answered {status} with {Type(type)}: is it an ACME server?") { RetryAfter = again }
                : new AcmeException(AcmeFault.Refused, problem.ToString(), problem) { RetryAfter = again };
    }

    private static async Task<byte[]> ReadBodyAsync(HttpResponseMessage response, Uri url, CancellationToken cancellationToken)
    {
        if (response.Content.Headers.ContentLength is > MaxBody)
        {
            throw TooLarge(url);
        }

        await using var stream = await response.Content.ReadAsStreamAsync(cancellationToken);
        using var body = new MemoryStream();
        var buffer = new byte[16 * 1024];
        int count;
        while ((count = await stream.ReadAsync(buffer, cancellationToken)) > 0)
        {
            if (body.Length + count > MaxBody)
            {
                throw TooLarge(url);
            }

            body.Write(buffer, 0, count);
        }

        return body.ToArray();
    }

    private void KeepNonce(HttpResponseMessage response)
    {
        if (response.Headers.TryGetValues("Replay-Nonce", out var values)
            && values.First() is { Length: > 0 and <= MaxNonceLength } nonce
            && nonce.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_')
            && _nonces.Count < MaxNonces)
        {
            _nonces.Enqueue(nonce);
        }
    }

    private TimeSpan? RetryAfter(HttpResponseMessage response)
    {
        var header = response.Headers.RetryAfter;
        var time = header?.Delta ?? (header?.Date is { } date ? date - _time.GetUtcNow() : null);
        return time < TimeSpan.Zero ? TimeSpan.Zero : time;
    }

    private static List<Uri> Alternates(HttpResponseMessage response, Uri url)
    {
        var links = new List<Uri>();
        if (response.Headers.TryGetValues("Link", out var values))
        {
            foreach (var link in values.SelectMany(v => v.Split(',')))
            {
                var end = link.IndexOf('>', StringComparison.Ordinal);
                var begin = link.IndexOf('<', StringComparison.Ordinal);
                if (begin >= 0 && end > begin
                    && link[(end + 1)..].Replace("\"", "", StringComparison.Ordinal).Split(';').Any(p => p.Trim().Equals("rel=alternate", StringComparison.OrdinalIgnoreCase))
                    && Uri.TryCreate(link[(begin + 1)..end], UriKind.RelativeOrAbsolute, out var target)
                    && HttpsUrl(target, url) is { } absolute
                    && links.Count < MaxAlternates)
                {
                    links.Add(absolute);
                }
            }
        }

        return links;
    }

    private static Uri? HttpsUrl(Uri? target, Uri url) =>
        target is not null && Uri.TryCreate(url, target, out var absolute) && absolute.Scheme == Uri.UriSchemeHttps ? absolute : null;

    private static string Type(string type) => type.Length == 0 ? "a body of no type" : AcmeProblem.Printable(type);

    private static AcmeException TooLarge(Uri url) => new(AcmeFault.BadAnswer, $"{url} answered more than 1 MiB: is it an ACME server?");
}
