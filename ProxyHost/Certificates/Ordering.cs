using System.Security.Cryptography;
using Microsoft.Extensions.Logging;
using Plane.Acme;

namespace Plane.ProxyHost.Certificates;

/// <summary>
/// One order from its beginning to a stored certificate:
/// <list type="number">
/// <item>the certificate's key is made and stored with the order's id, and the order is counted, before the authority hears of it;</item>
/// <item>the order for the cluster and its wildcard is made, its address stored;</item>
/// <item>for each authorisation that isn't valid yet a challenge value is worked out; all are set at once, for both names share one record;</item>
/// <item>after the settling time the authority is asked to check, and polled until it has;</item>
/// <item>the order is finalised with our signing request, and asked after until the certificate is there;</item>
/// <item>the chain is checked and stored with its key.</item>
/// </list>
/// Each step asks the order's state first, so that an order which a restart or an outage interrupted continues where it was. What the authority has refused or
/// given up is dropped and its count taken back; what may still succeed is kept.
/// </summary>
internal sealed partial class Ordering(ProxyOptions options, CertificateStore store, IChallenges challenges, TimeProvider time, ILogger<Ordering> logger)
{
    // Authorities keep orders open for a week; what is older than a day is better started again.
    private static readonly TimeSpan s_keepOrder = TimeSpan.FromDays(1);
    private static readonly TimeSpan s_cleanUp = TimeSpan.FromSeconds(5);

    private readonly string _host = ClusterName.Parse(options.Cluster).Host;

    private IReadOnlyList<string> Names => [_host, "*." + _host];

    /// <summary>Gets a certificate and stores it.</summary>
    /// <param name="bindingKey">The HMAC key of the external account binding, or null.</param>
    /// <param name="replaces">The certificate that is renewed, as RFC 9773 names it; or null.</param>
    /// <param name="cancellationToken">Gives up; the order continues at the next try.</param>
    /// <exception cref="AcmeException">There is none.</exception>
    public async Task RunAsync(byte[]? bindingKey, string? replaces, CancellationToken cancellationToken)
    {
        var acme = options.Acme;
        var authority = acme.Directory!.AbsoluteUri;
        await AccountKeys.RecoverAsync(store, acme, time, cancellationToken);
        using var account = store.AccountKey(acme.Directory);
        using var client = await AcmeClient.OpenAsync(acme.ForClient(), account, time, cancellationToken);
        if (client.TermsOfService is { } terms)
        {
            LogTerms(authority, AcmeProblem.Printable(terms));
        }

        if (client.RequiresBinding && bindingKey is null)
        {
            throw new AcmeException(
                AcmeFault.Refused, "the authority wants an external account binding: get a key from it and set --acme-eab-kid and --acme-eab-key-file");
        }

        await client.OpenAccountAsync(bindingKey, cancellationToken);

        // 1.
        var pending = await BeginAsync(authority, cancellationToken);
        using var issued = IssuedChain.For(pending.KeyPem);
        var progress = new Progress();
        try
        {
            var certificate = await IssueAsync(client, pending, issued, replaces, progress, cancellationToken);

            // 6.
            progress.IsIssued = true;
            var chain = await ChooseAsync(client, issued, Needed(certificate, "certificate"), cancellationToken);
            store.WriteCertificate(pending.KeyPem, chain);
            store.DropOrder();
            LogIssued(_host);
        }
        catch (AcmeException e) when (progress is { MayBeIssued: true, IsIssued: false } && e.Fault == AcmeFault.BadAnswer)
        {
            // What answered is not an authority at the moment. Only the authority can say whether the certificate was issued: the order is asked after again.
            throw;
        }
        catch (AcmeException e) when (!e.LeavesOrderOpen)
        {
            store.DropOrder();
            if (!progress.IsIssued)
            {
                await TryAsync(token => challenges.DropOrderAsync(pending.Id, token));
            }

            throw;
        }
    }

    private async Task<PendingOrder> BeginAsync(string authority, CancellationToken cancellationToken)
    {
        var acme = options.Acme;
        var pending = Resumable(authority) ?? new PendingOrder
        {
            Id = RandomText.Name("or-"),
            Authority = authority,
            KeyPem = IssuedChain.NewKeyPem(acme.KeyKind),
            Begun = time.GetUtcNow(),
        };
        store.WriteOrder(pending);
        var allowance = await challenges.BeginOrderAsync(pending.Id, authority, acme.WeeklyLimit, cancellationToken);
        if (allowance.IsAllowed)
        {
            return pending;
        }

        store.DropOrder();
        throw new AcmeException(
            AcmeFault.Refused,
            $"{allowance.Counted} certificates were ordered for {_host} within a week, the most that --acme-weekly-limit allows: let proxies share one from files, or wait")
        { RetryAfter = allowance.Wait };
    }

    /// <summary>Steps 2 to 5, from where the order is.</summary>
    /// <returns>Where the certificate is.</returns>
    private async Task<Uri?> IssueAsync(
        AcmeClient client, PendingOrder pending, IssuedChain issued, string? replaces, Progress progress, CancellationToken cancellationToken)
    {
        // 2.
        AcmeOrder order;
        if (pending.Url is { } url)
        {
            LogResuming(_host, url);
            progress.MayBeIssued = true;
            order = await client.OrderAsync(url, cancellationToken);
            progress.MayBeIssued = order.Status == "processing";
        }
        else
        {
            (url, order) = await client.NewOrderAsync(Names, replaces, cancellationToken);
            store.WriteOrder(pending with { Url = url });
            LogOrdered(_host, url);
        }

        if (order.Status == "pending")
        {
            await AuthorizeAsync(client, order, cancellationToken);
            order = await client.WhenOrderLeavesAsync(url, "pending", "accept the validation", cancellationToken);
        }

        // 5.
        if (order.Status == "ready")
        {
            var finalize = Needed(order.Finalize, "finalize");
            progress.MayBeIssued = true;
            await client.FinalizeAsync(finalize, issued.SigningRequest(Names), cancellationToken);
            order = await client.WhenOrderLeavesAsync(url, "ready", "begin to issue", cancellationToken);
        }

        if (order.Status == "processing")
        {
            order = await client.WhenOrderLeavesAsync(url, "processing", "issue the certificate", cancellationToken);
        }

        return order.Status == "valid"
            ? order.Certificate
            : throw new AcmeException(AcmeFault.Invalid, $"the authority gave the order up: {order.Error?.ToString() ?? "it did not say why"}", order.Error);
    }

    private PendingOrder? Resumable(string authority)
    {
        if (store.ReadOrder() is not { } order || order.Authority != authority || time.GetUtcNow() - order.Begun > s_keepOrder)
        {
            return null;
        }

        try
        {
            IssuedChain.For(order.KeyPem).Dispose();
            return order;
        }
        catch (CryptographicException)
        {
            return null;
        }
    }

    private async Task AuthorizeAsync(AcmeClient client, AcmeOrder order, CancellationToken cancellationToken)
    {
        // 3.
        var waiting = await ReadChallengesAsync(client, order, cancellationToken);
        if (waiting.Count == 0)
        {
            return;
        }

        try
        {
            await challenges.SetAsync([.. waiting.Select(w => w.Value)], cancellationToken);
            await Task.Delay(options.Acme.Settle, time, cancellationToken);

            // 4.
            foreach (var challenge in waiting.Where(w => w.IsUnanswered))
            {
                await client.AnswerAsync(challenge.Url, cancellationToken);
            }

            foreach (var challenge in waiting)
            {
                var answer = await client.WhenAuthorizedAsync(challenge.Authorization, cancellationToken);
                if (answer.Status != "valid")
                {
                    throw Invalid(answer);
                }
            }
        }
        finally
        {
            await TryAsync(token => challenges.SetAsync([], token));
        }
    }

    /// <summary>The challenges of the authorisations that are not valid yet.</summary>
    private async Task<List<Challenge>> ReadChallengesAsync(AcmeClient client, AcmeOrder order, CancellationToken cancellationToken)
    {
        if (order.Authorizations is not { Length: > 0 and <= 10 } urls)
        {
            throw new AcmeException(AcmeFault.BadAnswer, "the authority's order names no authorizations, or too many");
        }

        var waiting = new List<Challenge>();
        foreach (var url in urls)
        {
            var authorization = await client.AuthorizationAsync(url, cancellationToken);
            if (authorization.Status == "valid")
            {
                LogReused(_host);
                continue;
            }

            ThrowIfNotOurs(authorization);
            var challenge = authorization.Challenges?.FirstOrDefault(c => c?.Type == "dns-01");
            if (authorization.Status != "pending")
            {
                throw Invalid(authorization);
            }

            if (challenge is not { Url: { } address, Token: { Length: > 0 and <= 512 } token } || token.Any(c => !char.IsAsciiLetterOrDigit(c) && c is not ('-' or '_')))
            {
                throw new AcmeException(AcmeFault.BadAnswer, $"the authority offers no dns-01 challenge for {_host}: does it know wildcards?");
            }

            waiting.Add(new Challenge(url, address, client.ChallengeValue(token), challenge.Status == "pending"));
        }

        return waiting;
    }

    private void ThrowIfNotOurs(AcmeAuthorization authorization)
    {
        if (!string.Equals(authorization.Identifier?.Value, _host, StringComparison.OrdinalIgnoreCase))
        {
            throw new AcmeException(
                AcmeFault.BadAnswer, $"the authority wants {AcmeProblem.Printable(authorization.Identifier?.Value ?? "nothing")} authorised, which was not ordered");
        }
    }

    private AcmeException Invalid(AcmeAuthorization authorization)
    {
        var error = authorization.Challenges?.FirstOrDefault(c => c?.Error is not null)?.Error;
        return new AcmeException(
            AcmeFault.Invalid,
            $"the authority could not validate {_host}: {error?.ToString() ?? $"the authorization is {AcmeProblem.Printable(authorization.Status ?? "without a state")}"}. "
            + $"It looks up the TXT record _acme-challenge.{_host}: see plane dns check --cluster {_host}",
            error);
    }

    private async Task<string> ChooseAsync(AcmeClient client, IssuedChain issued, Uri url, CancellationToken cancellationToken)
    {
        var preferred = options.Acme.PreferredIssuer;
        var chains = await client.ChainsAsync(url, alternates: preferred is not null, cancellationToken);
        foreach (var chain in chains)
        {
            issued.Check(chain, Names, time.GetUtcNow());
        }

        if (preferred is null)
        {
            return chains[0];
        }

        var found = chains.FirstOrDefault(c => IssuedChain.TopIssuer(c).Equals(preferred, StringComparison.OrdinalIgnoreCase));
        if (found is null)
        {
            LogNotOffered(preferred, string.Join(", ", chains.Select(IssuedChain.TopIssuer)));
        }

        return found ?? chains[0];
    }

    // What only tidies up: it expires by itself where this fails.
    private async Task TryAsync(Func<CancellationToken, Task> call)
    {
        using var limit = new CancellationTokenSource(s_cleanUp, time);
        try
        {
            await call(limit.Token).WaitAsync(limit.Token);
        }
        catch (Exception e)
        {
            LogNotTidied(e.Message);
        }
    }

    private static Uri Needed(Uri? url, string what) =>
        url ?? throw new AcmeException(AcmeFault.BadAnswer, $"the authority's order names no address for {what}");

    private sealed record Challenge(Uri Authorization, Uri Url, string Value, bool IsUnanswered);

    /// <summary>What is known of the certificate while an order runs, for the case that it fails.</summary>
    private sealed class Progress
    {
        public bool MayBeIssued { get; set; }

        public bool IsIssued { get; set; }
    }

    [LoggerMessage(EventIds.OrderingOrdered, LogLevel.Information, "Ordered a certificate for {Host}: {Url}")]
    private partial void LogOrdered(string host, Uri url);

    [LoggerMessage(EventIds.OrderingResuming, LogLevel.Information, "Continuing the order for {Host} that was begun before: {Url}")]
    private partial void LogResuming(string host, Uri url);

    [LoggerMessage(EventIds.OrderingReused, LogLevel.Information, "The authority reuses an earlier validation of {Host}")]
    private partial void LogReused(string host);

    [LoggerMessage(EventIds.OrderingIssued, LogLevel.Information, "A certificate for {Host} was issued and stored")]
    private partial void LogIssued(string host);

    [LoggerMessage(EventIds.OrderingNotOffered, LogLevel.Warning, "The authority offers no chain by {Preferred}, only by {Offered}: its own choice is used")]
    private partial void LogNotOffered(string preferred, string offered);

    [LoggerMessage(EventIds.OrderingTerms, LogLevel.Information, "Ordering from {Authority}, whose terms are at {Terms}")]
    private partial void LogTerms(string authority, string terms);

    [LoggerMessage(EventIds.OrderingNotTidied, LogLevel.Warning, "Could not tidy up after an order; it expires by itself: {Reason}")]
    private partial void LogNotTidied(string reason);
}
