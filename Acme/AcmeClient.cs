using System.Buffers.Text;
using System.Globalization;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json.Nodes;

namespace Plane.Acme;

/// <summary>
/// The protocol of RFC 8555 for one account at one authority: each method is one exchange, or one that is repeated until it says what is awaited. It decides
/// nothing about when or why.
/// </summary>
public sealed class AcmeClient : IDisposable
{
    private readonly AcmeTransport _transport;
    private readonly AcmeDirectory _directory;
    private readonly AcmeClientOptions _options;
    private readonly TimeProvider _time;
    private AcmeKey _key;
    private Uri? _account;

    private AcmeClient(AcmeTransport transport, AcmeDirectory directory, AcmeClientOptions options, TimeProvider time, AcmeKey key)
    {
        _transport = transport;
        _directory = directory;
        _options = options;
        _time = time;
        _key = key;
    }

    /// <summary>Whether the authority says when to renew (RFC 9773).</summary>
    public bool SaysWhenToRenew => _directory.RenewalInfo is not null;

    /// <summary>The address of the terms that a new account agrees to, or null.</summary>
    public string? TermsOfService => _directory.Meta?.TermsOfService;

    /// <summary>Whether accounts need an external account binding.</summary>
    public bool RequiresBinding => _directory.Meta?.ExternalAccountRequired == true;

    /// <summary>Reads the directory. <see cref="OpenAccountAsync"/> comes next for all that is signed.</summary>
    public static async Task<AcmeClient> OpenAsync(AcmeClientOptions options, AcmeKey key, TimeProvider time, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        var url = options.Directory;
        var transport = new AcmeTransport(options, time);
        try
        {
            var directory = AcmeTransport.Read<AcmeDirectory>(await transport.GetAsync(url, cancellationToken), url);
            return directory is { NewNonce: not null, NewAccount: not null, NewOrder: not null }
                ? new AcmeClient(transport, directory, options, time, key)
                : throw new AcmeException(AcmeFault.BadAnswer, $"{url} is not an ACME directory: it names no newNonce, newAccount or newOrder");
        }
        catch
        {
            transport.Dispose();
            throw;
        }
    }

    /// <summary>Finds the key's account, or makes it. Done before each order: an authority that has forgotten the account gets it again.</summary>
    /// <param name="bindingKey">The HMAC key of the external account binding, or null.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public async Task OpenAccountAsync(byte[]? bindingKey, CancellationToken cancellationToken)
    {
        var url = _directory.NewAccount!;
        var request = new JsonObject { ["termsOfServiceAgreed"] = true };
        if (Contact() is { } contact)
        {
            request["contact"] = contact;
        }

        if (bindingKey is not null)
        {
            request["externalAccountBinding"] = Jws.Bind(_options.EabKid!, bindingKey, url, _key);
        }

        var answer = await PostAsync(url, request, cancellationToken, asKey: true);
        var account = AcmeTransport.Read<AcmeAccount>(answer, url);
        if (account.Status != "valid")
        {
            throw new AcmeException(AcmeFault.Refused, "the account was deactivated or revoked at the authority: remove its file from --cert-dir to make a new one");
        }

        _account = answer.Location ?? throw new AcmeException(AcmeFault.BadAnswer, $"{url} answered without the account's address");
        if (Contact() is { } wanted && account.Contact?.SequenceEqual(wanted.Select(c => c!.ToString())) != true)
        {
            await PostAsync(_account, new JsonObject { ["contact"] = wanted }, cancellationToken);
        }
    }

    /// <summary>Whether the key has an account; what comes after goes to it.</summary>
    public async Task<bool> TryFindAccountAsync(CancellationToken cancellationToken)
    {
        try
        {
            var answer = await PostAsync(_directory.NewAccount!, new JsonObject { ["onlyReturnExisting"] = true }, cancellationToken, asKey: true);
            _account = answer.Location;
            return _account is not null;
        }
        catch (AcmeException e) when (e.Problem?.Is("accountDoesNotExist") == true)
        {
            return false;
        }
    }

    /// <summary>Begins an order.</summary>
    /// <param name="names">The names.</param>
    /// <param name="replaces">The certificate that it takes the place of, by <see cref="RenewalId"/>; or null.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public async Task<(Uri Url, AcmeOrder Order)> NewOrderAsync(IEnumerable<string> names, string? replaces, CancellationToken cancellationToken)
    {
        var url = _directory.NewOrder!;
        var request = new JsonObject
        {
            ["identifiers"] = new JsonArray([.. names.Select(n => new JsonObject { ["type"] = "dns", ["value"] = n })]),
        };
        if (replaces is not null && SaysWhenToRenew)
        {
            request["replaces"] = replaces;
        }

        AcmeAnswer answer;
        try
        {
            answer = await PostAsync(url, request, cancellationToken);
        }
        catch (AcmeException e) when (request.Remove("replaces") && e is { Fault: AcmeFault.Refused } && e.Problem?.Is("rateLimited") != true)
        {
            // It was replaced already, or is of another authority (RFC 9773 section 5): an order like any other.
            answer = await PostAsync(url, request, cancellationToken);
        }

        return (answer.Location ?? throw new AcmeException(AcmeFault.BadAnswer, $"{url} answered without the order's address"), AcmeTransport.Read<AcmeOrder>(answer, url));
    }

    /// <summary>Reads an order.</summary>
    public async Task<AcmeOrder> OrderAsync(Uri url, CancellationToken cancellationToken) =>
        AcmeTransport.Read<AcmeOrder>(await PostAsync(url, null, cancellationToken), url);

    /// <summary>Reads an authorization.</summary>
    public async Task<AcmeAuthorization> AuthorizationAsync(Uri url, CancellationToken cancellationToken) =>
        AcmeTransport.Read<AcmeAuthorization>(await PostAsync(url, null, cancellationToken), url);

    /// <summary>The TXT value that answers a DNS-01 challenge with this token.</summary>
    public string ChallengeValue(string token) => _key.ChallengeValue(token);

    /// <summary>Tells the authority to look at a challenge.</summary>
    public async Task AnswerAsync(Uri challenge, CancellationToken cancellationToken) => await PostAsync(challenge, new JsonObject(), cancellationToken);

    /// <summary>Ends an order that is ready with the request for the certificate, DER.</summary>
    public async Task FinalizeAsync(Uri url, byte[] signingRequest, CancellationToken cancellationToken) =>
        await PostAsync(url, new JsonObject { ["csr"] = Base64Url.EncodeToString(signingRequest) }, cancellationToken);

    /// <summary>Waits until an authorization is decided.</summary>
    public Task<AcmeAuthorization> WhenAuthorizedAsync(Uri url, CancellationToken cancellationToken) =>
        WhenAsync<AcmeAuthorization>(url, a => a.Status is not ("pending" or "processing"), "validate the names", cancellationToken);

    /// <summary>Waits until the order leaves a state.</summary>
    public Task<AcmeOrder> WhenOrderLeavesAsync(Uri url, string status, string doing, CancellationToken cancellationToken) =>
        WhenAsync<AcmeOrder>(url, o => o.Status != status, doing, cancellationToken);

    /// <summary>The chain that the authority gives by default, and the others that it offers, each as PEM.</summary>
    public async Task<IReadOnlyList<string>> ChainsAsync(Uri url, bool alternates, CancellationToken cancellationToken)
    {
        var first = await ChainAsync(url, cancellationToken);
        var chains = new List<string> { Encoding.ASCII.GetString(first.Body) };
        foreach (var other in alternates ? first.Alternates : [])
        {
            chains.Add(Encoding.ASCII.GetString((await ChainAsync(other, cancellationToken)).Body));
        }

        return chains;
    }

    /// <summary>Revokes a certificate of the account's (RFC 8555 section 7.6).</summary>
    public async Task RevokeAsync(X509Certificate2 certificate, int reason, CancellationToken cancellationToken)
    {
        var url = _directory.RevokeCert ?? throw new AcmeException(AcmeFault.BadAnswer, "the authority's directory names no address to revoke at");
        await PostAsync(url, new JsonObject { ["certificate"] = Base64Url.EncodeToString(certificate.RawData), ["reason"] = reason }, cancellationToken);
    }

    /// <summary>Gives the account another key (RFC 8555 section 7.3.5).</summary>
    public async Task ChangeKeyAsync(AcmeKey next, CancellationToken cancellationToken)
    {
        var url = _directory.KeyChange ?? throw new AcmeException(AcmeFault.BadAnswer, "the authority's directory names no address to change keys at");
        var inner = new JsonObject { ["account"] = _account!.OriginalString, ["oldKey"] = JsonNode.Parse(_key.Jwk) };
        await PostAsync(url, Jws.Sign(next, account: null, url, nonce: null, inner), cancellationToken);
        _key = next;
    }

    /// <summary>When the authority wants the certificate renewed, and when it wants to be asked again.</summary>
    public async Task<(AcmeRenewalInfo Info, TimeSpan? AskAgain)> RenewalInfoAsync(string renewalId, CancellationToken cancellationToken)
    {
        var text = $"{_directory.RenewalInfo!.OriginalString.TrimEnd('/')}/{renewalId}";
        var url = Uri.TryCreate(text, UriKind.Absolute, out var absolute) ? absolute
            : throw new AcmeException(AcmeFault.BadAnswer, $"the authority named the address {AcmeProblem.Printable(text)}, which is not an https URL");
        var answer = await _transport.GetAsync(url, cancellationToken);
        var info = AcmeTransport.Read<AcmeRenewalInfo>(answer, url);
        return info.SuggestedWindow is { } window && window.Start < window.End
            ? (info, answer.RetryAfter)
            : throw new AcmeException(AcmeFault.BadAnswer, $"{url} answered a window that ends before it begins");
    }

    /// <summary>How RFC 9773 names a certificate, or null for one without an authority key identifier.</summary>
    public static string? RenewalId(X509Certificate2 certificate) =>
        certificate.Extensions.OfType<X509AuthorityKeyIdentifierExtension>().FirstOrDefault()?.KeyIdentifier is { Length: > 0 } key
            ? $"{Base64Url.EncodeToString(key.Span)}.{Base64Url.EncodeToString(certificate.SerialNumberBytes.Span)}"
            : null;

    /// <inheritdoc/>
    public void Dispose() => _transport.Dispose();

    private JsonArray? Contact() => _options.Email is { } email ? [JsonValue.Create("mailto:" + email)] : null;

    private async Task<AcmeAnswer> ChainAsync(Uri url, CancellationToken cancellationToken)
    {
        var answer = await PostAsync(url, null, cancellationToken, accept: "application/pem-certificate-chain");
        return answer.MediaType.Equals("application/pem-certificate-chain", StringComparison.OrdinalIgnoreCase) ? answer
            : throw new AcmeException(AcmeFault.BadAnswer, $"{url} answered {AcmeProblem.Printable(answer.MediaType)} in place of a certificate chain");
    }

    private Task<AcmeAnswer> PostAsync(Uri url, JsonNode? payload, CancellationToken cancellationToken, bool asKey = false, string accept = "application/json") =>
        _transport.PostAsync(
            url, _directory.NewNonce!, accept, nonce => Jws.Sign(_key, asKey ? null : _account, url, nonce, payload).ToJsonString(), cancellationToken);

    private async Task<T> WhenAsync<T>(Uri url, Func<T, bool> holds, string doing, CancellationToken cancellationToken)
    {
        var since = _time.GetTimestamp();
        var pause = _options.PollEvery;
        while (true)
        {
            TimeSpan? asked;
            try
            {
                var answer = await PostAsync(url, null, cancellationToken);
                var value = AcmeTransport.Read<T>(answer, url);
                if (holds(value))
                {
                    return value;
                }

                asked = answer.RetryAfter;
            }
            catch (AcmeException e) when (e.Fault == AcmeFault.Unreachable && _time.GetElapsedTime(since) + pause < _options.Patience)
            {
                // It may come back while there is time.
                asked = e.RetryAfter;
            }

            // An authority that says 0 must not be asked in a loop.
            var wait = asked is { } again && again > _options.PollEvery ? again : pause;
            if (_time.GetElapsedTime(since) + wait > _options.Patience)
            {
                throw new AcmeException(
                    AcmeFault.Slow,
                    string.Create(CultureInfo.InvariantCulture, $"the authority took longer than {_options.Patience.TotalSeconds:0} s to {doing}"));
            }

            await Task.Delay(wait, _time, cancellationToken);
            pause = pause * 1.5 < _options.PollEvery * 10 ? pause * 1.5 : _options.PollEvery * 10;
        }
    }
}
