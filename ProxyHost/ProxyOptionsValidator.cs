using System.Net;
using Plane.Hosting.Configuration;

namespace Plane.ProxyHost;

/// <summary>Checks how a proxy runs.</summary>
public sealed class ProxyOptionsValidator : OptionsValidator<ProxyOptions>
{
    /// <summary>What is wrong with the options of the authority, for what an operator asks of it.</summary>
    /// <param name="acme">The options.</param>
    public static IReadOnlyList<string> Problems(Certificates.AcmeOptions acme)
    {
        var rules = new OptionRules(typeof(ProxyOptions));
        CheckAcme(new ProxyOptions { Acme = acme }, rules);
        return rules.Problems;
    }

    /// <inheritdoc/>
    protected override void Check(ProxyOptions o, OptionRules rules)
    {
        ArgumentNullException.ThrowIfNull(o);
        ArgumentNullException.ThrowIfNull(rules);
        rules.That(ClusterName.TryParse(o.Cluster, out _), o.Cluster, ClusterName.Rule);
        rules.That(ProxyName.TryParse(o.Name, out _), o.Name, ProxyName.Rule);
        rules.Host(o.Host);
        rules.Host(o.MetricsHost);
        rules.Port(o.MetricsPort);
        rules.Port(o.Port);
        rules.Networks(o.TrustedProxies);
        rules.That(!o.ProxyProtocol || o.TrustedProxies.Length > 0, o.ProxyProtocol, "needs --trusted-proxies: without it any client could say where it comes from");
        var originProblem = o.AllowedOrigins.Select(NameRules.OriginProblem).FirstOrDefault(p => p is not null);
        rules.That(originProblem is null, o.AllowedOrigins, originProblem);
        CheckAcme(o, rules);
        CheckTls(o, rules);
        rules.That(
            o.RootRedirectUrl is null || (Uri.TryCreate(o.RootRedirectUrl, UriKind.Absolute, out var uri) && uri.Scheme is "http" or "https"),
            o.RootRedirectUrl,
            "must be an absolute http or https URL");
        rules.Between(o.RouteCacheSize, 1, 10_000_000);
        rules.Positive(o.ConnectTimeout, TimeSpan.FromMinutes(5));
        rules.Positive(o.ResponseTimeout, TimeSpan.FromDays(1));
        rules.Positive(o.Drain, TimeSpan.FromHours(1));
        rules.Positive(o.ControllerWait, TimeSpan.FromSeconds(5));
        rules.Positive(o.UnknownRouteWait, TimeSpan.FromMinutes(5));
        rules.Positive(o.NegativeAnswer, TimeSpan.FromMinutes(1));
        rules.Between(o.TokenCacheSize, 1, 1_000_000);
        rules.Positive(o.StartingPageAfter, TimeSpan.FromMinutes(1));
        rules.Positive(o.ForwardAuthTimeout, TimeSpan.FromMinutes(1));
        rules.Between(o.ForwardAuthCache, TimeSpan.Zero, TimeSpan.FromMinutes(1));
        rules.Positive(o.ChangeGap, TimeSpan.FromMinutes(5));
        rules.Positive(o.RouteTrust, TimeSpan.FromMinutes(5));
        rules.Positive(o.ReportEvery, TimeSpan.FromSeconds(30));
        rules.Positive(o.ReadySilence, TimeSpan.FromMinutes(5));
        rules.Positive(o.BackendIdle, TimeSpan.FromHours(1));
    }

    private static void CheckTls(ProxyOptions o, OptionRules rules)
    {
        if (!o.Https)
        {
            const string WithHttps = "needs --https";
            rules.That(o.Cert is null, o.Cert, WithHttps);
            rules.That(o.Key is null, o.Key, WithHttps);
            rules.That(o.Acme.Directory is null, o.Acme.Directory, WithHttps);
            rules.That(o.Hsts is null, o.Hsts, WithHttps);
            return;
        }

        rules.That(
            !ClusterName.TryParse(o.Cluster, out var cluster) || cluster.Port == 443,
            o.Https,
            $"the name {cluster} of --cluster must not carry a port: a port other than 443 means plain HTTP in the URLs that the controller hands out");
        rules.That(!o.PriorKnowledgeHttp2, o.PriorKnowledgeHttp2, "is for plain HTTP; with --https the client chooses");
        rules.That(o.Cert is null != o.Acme.Directory is null, o.Https, "needs either --cert (and --key) or --acme-directory");
        rules.That(o.Key is null || o.Cert is not null, o.Key, "needs --cert");
        rules.That(o.CertPasswordFile is null || o.Cert is not null, o.CertPasswordFile, "needs --cert");
        rules.Path(o.CertDir);
        rules.Port(o.HttpPort);
        rules.Port(o.HttpsPort);
        rules.That(o.HttpPort != o.HttpsPort || o.HttpPort == 0, o.HttpPort, "must be another than --https-port");
        rules.Between(o.Hsts, TimeSpan.Zero, TimeSpan.FromDays(3_650));
        rules.That(!o.HstsSubdomains || o.Hsts is not null, o.HstsSubdomains, "needs --hsts");
        rules.Positive(o.CertCheckEvery, TimeSpan.FromHours(1));
    }

    private static void CheckAcme(ProxyOptions o, OptionRules rules)
    {
        if (o.Acme.Directory is null)
        {
            const string WithDirectory = "needs --acme-directory";
            rules.That(o.Acme.Email is null, o.Acme.Email, WithDirectory);
            rules.That(o.Acme.EabKid is null, o.Acme.EabKid, WithDirectory);
            rules.That(o.Acme.EabKeyFile is null, o.Acme.EabKeyFile, WithDirectory);
            rules.That(o.Acme.CaFile is null, o.Acme.CaFile, WithDirectory);
            return;
        }

        rules.That(o.Acme.Directory.Scheme == Uri.UriSchemeHttps, o.Acme.Directory, "must be an https URL");
        var isNamed = ClusterName.TryParse(o.Cluster, out var cluster);
        rules.That(
            !isNamed || !(cluster.HasPort || IPAddress.TryParse(cluster.Host, out _) || !cluster.Host.Contains('.', StringComparison.Ordinal)),
            o.Acme.Directory,
            $"no authority issues for {cluster}: the cluster must be a public host name without a port, such as example.com");

        // The name of the challenge is longer by a label, and so is the wildcard.
        rules.That(!isNamed || cluster.Host.Length <= 253 - 16, o.Acme.Directory, "the cluster's name is too long for a challenge record: at most 237 characters");
        rules.That(
            o.Acme.Email is not { } email || (email.Length <= 254 && email.Count(c => c == '@') == 1 && !email.Any(c => c is <= ' ' or > '~' or ',' or '?')),
            o.Acme.Email,
            "must be an e-mail address");
        rules.That(o.Acme.EabKid is null == o.Acme.EabKeyFile is null, o.Acme.EabKid, "must be given together with --acme-eab-key-file");
        rules.Between(o.Acme.WeeklyLimit, 1, 1_000_000);
        rules.Positive(o.Acme.PollEvery, TimeSpan.FromMinutes(1));
        rules.Positive(o.Acme.Patience, TimeSpan.FromMinutes(8));
        rules.Positive(o.Acme.RequestTimeout, TimeSpan.FromMinutes(5));
        rules.Positive(o.Acme.RetryAfter, TimeSpan.FromDays(1));
        rules.Positive(o.Acme.RetryMost, TimeSpan.FromDays(7));
        rules.Positive(o.Acme.LeaseTime, ChallengeHold.MaxTime);
        rules.Between(o.Acme.Settle, TimeSpan.Zero, TimeSpan.FromMinutes(5));
    }
}
