using System.Buffers.Text;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Plane.Acme;
using Plane.Hosting.Running;
using Plane.ProxyHost.Tls;

namespace Plane.ProxyHost.Certificates;

/// <summary>
/// Keeps the proxy in a certificate from an authority: serves what is stored, orders where there is none, renews in time, and continues serving the last good one
/// whatever fails. README.md in this folder tells the rules.
/// </summary>
internal sealed partial class CertificateRenewalService : BackgroundService, IHostedLifecycleService
{
    private static readonly TimeSpan s_release = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan s_longestRefusal = TimeSpan.FromDays(7);

    private readonly ProxyOptions _options;
    private readonly CertificateStore _store;
    private readonly CertificateSlot _slot;
    private readonly CertificateMetrics _metrics;
    private readonly IChallenges _challenges;
    private readonly Ordering _ordering;
    private readonly TimeProvider _time;
    private readonly ILogger<CertificateRenewalService> _logger;
    private readonly Backoff _backoff;
    private readonly string _host;

    // All below belongs to the one loop.
    private byte[]? _seen;
    private RenewalPlan? _plan;
    private byte[]? _bindingKey;
    private long _since;
    private TimeSpan _pause;
    private DateTime? _triedWish;

    public CertificateRenewalService(
        ProxyOptions options,
        CertificateStore store,
        CertificateSlot slot,
        CertificateMetrics metrics,
        IChallenges challenges,
        Ordering ordering,
        TimeProvider time,
        ILogger<CertificateRenewalService> logger)
    {
        _options = options;
        _store = store;
        _slot = slot;
        _metrics = metrics;
        _challenges = challenges;
        _ordering = ordering;
        _time = time;
        _logger = logger;
        _backoff = new Backoff(options.Acme.RetryAfter, options.Acme.RetryMost, time);
        _host = ClusterName.Parse(options.Cluster).Host;
    }

    public Task StartingAsync(CancellationToken cancellationToken)
    {
        try
        {
            _store.Prepare();
            _bindingKey = BindingKey(_options.Acme);
            _options.Acme.ForClient();
        }
        catch (CertificateProblemException e)
        {
            throw new StartRefusedException(e.Message, e);
        }

        _slot.Explain("the certificate has not been ordered yet");
        Load();
        return Task.CompletedTask;
    }

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>The HMAC key of the external account binding.</summary>
    /// <exception cref="CertificateProblemException">The file holds none.</exception>
    public static byte[]? BindingKey(AcmeOptions options)
    {
        if (options.EabKeyFile is not { } file)
        {
            return null;
        }

        var text = CertificateReader.ReadPassword(file).Trim();
        try
        {
            return Base64Url.DecodeFromChars(text.TrimEnd('=').Replace('+', '-').Replace('/', '_'));
        }
        catch (FormatException e)
        {
            throw new CertificateProblemException($"--acme-eab-key-file: {file} must hold the HMAC key alone, in base64url as the authority hands it out", e);
        }
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (true)
        {
            Load();
            if ((_time.GetElapsedTime(_since) >= _pause || IsNewWish) && await IsDueAsync(stoppingToken))
            {
                await OrderAsync(stoppingToken);
            }

            _slot.ReportExpiry();
            await Task.Delay(_options.CertCheckEvery, _time, stoppingToken);
        }
    }

    // The operator may have mended what failed. Each wish is one try: it remains until there is a certificate, and must not undo the pauses.
    private bool IsNewWish => _store.RenewalWish is { } wish && wish != _triedWish;

    /// <summary>Serves what is stored, if it isn't yet: this proxy's own, one that an operator put there, or one of another proxy with the same directory.</summary>
    private void Load()
    {
        try
        {
            var stored = _store.ReadCertificate();
            if (stored is null || (_seen is not null && stored.AsSpan().SequenceEqual(_seen)))
            {
                return;
            }

            _seen = stored;
            var certificate = ServerCertificate.From(_store.Parse(stored), _host, _time.GetUtcNow());
            _plan = RenewalPlan.For(certificate);
            _slot.Serve(certificate);
        }
        catch (CertificateProblemException e)
        {
            _slot.Explain($"the stored certificate can't be served: {e.Message}");
            LogStored(_store.CertificatePath, e.Message);
        }
    }

    private async Task<bool> IsDueAsync(CancellationToken cancellationToken)
    {
        if (_slot.Current is not { } certificate || _plan is not { } plan || _store.RenewalWish is not null)
        {
            return true;
        }

        if (_time.GetUtcNow() >= plan.AskAt)
        {
            await AskWhenAsync(certificate, plan, cancellationToken);
        }

        return _time.GetUtcNow() >= plan.Due;
    }

    private async Task AskWhenAsync(ServerCertificate certificate, RenewalPlan plan, CancellationToken cancellationToken)
    {
        plan.NotSaid(_time.GetUtcNow());
        if (AcmeClient.RenewalId(certificate.Leaf) is not { } id)
        {
            return;
        }

        try
        {
            using var key = _store.AccountKey(_options.Acme.Directory!);
            using var client = await AcmeClient.OpenAsync(_options.Acme.ForClient(), key, _time, cancellationToken);
            if (!client.SaysWhenToRenew)
            {
                return;
            }

            var (info, askAgain) = await client.RenewalInfoAsync(id, cancellationToken);
            if (plan.Suggest(info.SuggestedWindow!, askAgain, _time.GetUtcNow()))
            {
                LogSuggested(info.SuggestedWindow!.Start, info.SuggestedWindow.End, AcmeProblem.Printable(info.ExplanationUrl ?? "none given"));
            }
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            // Whatever it is: the certificate's age tells too.
            LogNotSaid(e.Message);
        }
    }

    private async Task OrderAsync(CancellationToken cancellationToken)
    {
        try
        {
            var lease = await _challenges.HoldAsync(_options.Acme.LeaseTime, cancellationToken).WaitAsync(cancellationToken);
            if (!lease.IsHeldBy(_options.Name))
            {
                _slot.Explain($"proxy {lease.Owner} of this cluster is ordering a certificate, then it's this one's turn");
                LogWaiting(lease.Owner, lease.ExpiresIn.TotalSeconds);
                return;
            }
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            Explain("the controller does not answer, and a certificate is ordered with its help", _options.CertCheckEvery);
            LogControllerAway(e.Message);
            return;
        }

        using var working = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var renewing = RenewLeaseAsync(working.Token);
        try
        {
            // Another proxy with the same directory may have been here before.
            Load();
            if (!await IsDueAsync(cancellationToken))
            {
                return;
            }

            _slot.Explain("the certificate is being ordered");
            _triedWish = _store.RenewalWish;
            await _ordering.RunAsync(_bindingKey, Replaced(), cancellationToken);
            _store.RenewalDone();
            _metrics.OrderEnded("issued");
            _backoff.Reset();
            _pause = TimeSpan.Zero;
            Load();
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            Failed(e);
        }
        finally
        {
            await working.CancelAsync();
            await renewing;
            await ReleaseAsync();
        }
    }

    private string? Replaced() => _slot.Current is { } certificate ? AcmeClient.RenewalId(certificate.Leaf) : null;

    private void Failed(Exception e)
    {
        var acme = e as AcmeException;
        var pause = _backoff.Next();
        if (acme?.RetryAfter is { } asked && asked > pause)
        {
            pause = asked < s_longestRefusal ? asked : s_longestRefusal;
        }

        _since = _time.GetTimestamp();
        _pause = pause;
        _metrics.OrderEnded(acme?.Outcome ?? "failed");
        Explain($"no certificate was issued: {e.Message}", pause);
        var consequence = _slot.Current is null ? "the HTTPS port stays closed" : "the present certificate stays in use";
        if (acme is not null)
        {
            LogFailed(_host, acme.Message, consequence, pause.TotalSeconds);
        }
        else
        {
            LogFailedUnexpectedly(e, _host, consequence, pause.TotalSeconds);
        }
    }

    // For /ready, and for plane cert show.
    private void Explain(string reason, TimeSpan pause)
    {
        _slot.Explain(reason);
        try
        {
            var now = _time.GetUtcNow();
            _store.WriteFailure(new RenewalFailure { At = now, Reason = reason, NextTry = now + pause });
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            LogNotNoted(e.Message);
        }
    }

    // Only a courtesy to other proxies: whatever becomes of the lease, the order continues.
    private async Task RenewLeaseAsync(CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested)
        {
            try
            {
                await Task.Delay(_options.Acme.LeaseTime / 3, _time, cancellationToken);
                var lease = await _challenges.HoldAsync(_options.Acme.LeaseTime, cancellationToken).WaitAsync(cancellationToken);
                if (!lease.IsHeldBy(_options.Name))
                {
                    LogOvertaken(lease.Owner);
                }
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                LogLeaseNotRenewed(e.Message);
            }
        }
    }

    private async Task ReleaseAsync()
    {
        using var limit = new CancellationTokenSource(s_release, _time);
        try
        {
            await _challenges.ReleaseAsync(limit.Token).WaitAsync(limit.Token);
        }
        catch (Exception e)
        {
            LogLeaseNotRenewed(e.Message);
        }
    }

    [LoggerMessage(EventIds.CertificateRenewalServiceFailed, LogLevel.Warning, "No certificate for {Host}: {Reason}. {Consequence}; the next try is in {Seconds:0} s")]
    private partial void LogFailed(string host, string reason, string consequence, double seconds);

    [LoggerMessage(EventIds.CertificateRenewalServiceNotNoted, LogLevel.Warning, "Why there is no new certificate can't be written to --cert-dir, where plane cert show reads it: {Reason}")]
    private partial void LogNotNoted(string reason);

    [LoggerMessage(EventIds.CertificateRenewalServiceFailedUnexpectedly, LogLevel.Error, "No certificate for {Host}. {Consequence}; the next try is in {Seconds:0} s")]
    private partial void LogFailedUnexpectedly(Exception exception, string host, string consequence, double seconds);

    [LoggerMessage(EventIds.CertificateRenewalServiceWaiting, LogLevel.Information, "Waiting while proxy {Owner} orders a certificate; {Seconds:0} s at most")]
    private partial void LogWaiting(string owner, double seconds);

    [LoggerMessage(EventIds.CertificateRenewalServiceControllerAway, LogLevel.Warning, "No controller answered the request for the challenge lease: {Reason}. The proxy retries")]
    private partial void LogControllerAway(string reason);

    [LoggerMessage(EventIds.CertificateRenewalServiceOvertaken, LogLevel.Information, "Proxy {Owner} took the challenge lease over; this proxy continues its own order")]
    private partial void LogOvertaken(string owner);

    [LoggerMessage(EventIds.CertificateRenewalServiceLeaseNotRenewed, LogLevel.Debug, "No answer about the challenge lease; it expires by itself: {Reason}")]
    private partial void LogLeaseNotRenewed(string reason);

    [LoggerMessage(EventIds.CertificateRenewalServiceStored, LogLevel.Error, "The certificate in {Path} can't be served: {Problem}")]
    private partial void LogStored(string path, string problem);

    [LoggerMessage(EventIds.CertificateRenewalServiceSuggested, LogLevel.Information, "The authority suggests to renew between {Start} and {End}; explanation: {Explanation}")]
    private partial void LogSuggested(DateTimeOffset start, DateTimeOffset end, string explanation);

    [LoggerMessage(EventIds.CertificateRenewalServiceNotSaid, LogLevel.Debug, "The authority did not say when to renew: {Reason}")]
    private partial void LogNotSaid(string reason);
}
