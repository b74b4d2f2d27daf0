using System.Security.Cryptography;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Plane.ProxyHost.Tls;

/// <summary>
/// Serves the certificate of <c>--cert</c> and <c>--key</c>, and follows them: every few seconds both are read again, which sees renamed files, followed links
/// and mounted secrets alike. A pair is served only once it fits; while one file of two is already new, the old pair continues.
/// </summary>
internal sealed partial class CertificateFiles(
    ProxyOptions options, CertificateSlot slot, TimeProvider time, ILogger<CertificateFiles> logger) : BackgroundService, IHostedLifecycleService
{
    private readonly string _host = ClusterName.Parse(options.Cluster).Host;
    private byte[]? _seen;
    private string? _problem;

    // Before anything listens: with a good certificate the port is open from the first moment.
    public Task StartingAsync(CancellationToken cancellationToken)
    {
        Look();
        return Task.CompletedTask;
    }

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (true)
        {
            await Task.Delay(options.CertCheckEvery, time, stoppingToken);
            Look();
            slot.ReportExpiry();
        }
    }

    private void Look()
    {
        try
        {
            var certificate = CertificateReader.ReadFile(options.Cert!, "the PEM file with the certificate chain, as fullchain.pem, or a PKCS #12 file");
            var key = options.Key is { } path ? CertificateReader.ReadFile(path, "the PEM file with the private key, as privkey.pem") : null;
            var password = options.CertPasswordFile is { } file ? CertificateReader.ReadPassword(file) : null;
            var hash = SHA256.HashData([.. SHA256.HashData(certificate), .. SHA256.HashData(key ?? [])]);

            // What was seen to be good is not parsed again; what wasn't may have become valid by time alone.
            if (_problem is null && _seen is not null && hash.AsSpan().SequenceEqual(_seen))
            {
                return;
            }

            var chain = CertificateReader.Read(certificate, options.Cert!, key, options.Key, password);
            var ready = ServerCertificate.From(chain, _host, time.GetUtcNow());
            if (!ready.Names.Cover("x." + _host))
            {
                LogNoWildcard(_host, ready.Names.ToString());
            }

            slot.Serve(ready);
            _seen = hash;
            _problem = null;
        }
        catch (CertificateProblemException e)
        {
            slot.Explain($"the certificate of --cert can't be served: {e.Message}");
            if (_problem != e.Message)
            {
                _problem = e.Message;
                LogProblem(e.Message, slot.Current is null ? "the HTTPS port stays closed until it is repaired" : "the last good one stays in use");
            }
        }
    }

    [LoggerMessage(EventIds.CertificateFilesProblem, LogLevel.Error, "The certificate of --cert can't be served: {Problem}; {Consequence}")]
    private partial void LogProblem(string problem, string consequence);

    [LoggerMessage(EventIds.CertificateFilesNoWildcard, LogLevel.Warning, "The certificate does not cover *.{Host}, only {Names}: backends with a subdomain can't be reached by HTTPS")]
    private partial void LogNoWildcard(string host, string names);
}
