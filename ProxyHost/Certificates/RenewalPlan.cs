using Plane.Acme;
using Plane.ProxyHost.Tls;

namespace Plane.ProxyHost.Certificates;

/// <summary>
/// When a certificate is renewed: at two thirds of its life, a little earlier by chance, so that certificates which came together aren't renewed together; or at a
/// random moment of the window that the authority suggests, but never after nine tenths of its life. One owner, no locks.
/// </summary>
internal sealed class RenewalPlan
{
    private const double Life = 2.0 / 3;
    private const double Spread = 0.03;
    private const double Latest = 0.9;

    private static readonly TimeSpan s_least = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan s_most = TimeSpan.FromDays(1);
    private static readonly TimeSpan s_unlessSaid = TimeSpan.FromHours(6);
    private static readonly TimeSpan s_afterFailure = TimeSpan.FromHours(1);

    private readonly DateTimeOffset _byAge;
    private readonly DateTimeOffset _latest;
    private DateTimeOffset? _suggested;
    private AcmeWindow? _window;

    public RenewalPlan(DateTimeOffset notBefore, DateTimeOffset notAfter)
    {
        var life = notAfter - notBefore;
        _byAge = notBefore + (life * (Life - (Spread * Prng())));
        _latest = notBefore + (life * Latest);
    }

    /// <summary>When it is due.</summary>
    public DateTimeOffset Due => _suggested is { } suggested ? (suggested < _latest ? suggested : _latest) : _byAge;

    /// <summary>When the authority should be asked again for its window.</summary>
    public DateTimeOffset AskAt { get; private set; } = DateTimeOffset.MinValue;

    /// <summary>The authority's word. The moment is drawn once for a window, not at each look: many draws would lean to its beginning.</summary>
    /// <returns>Whether the window is a new one.</returns>
    public bool Suggest(AcmeWindow window, TimeSpan? askAgain, DateTimeOffset now)
    {
        var wait = askAgain ?? s_unlessSaid;
        AskAt = now + (wait < s_least ? s_least : wait > s_most ? s_most : wait);
        if (window == _window)
        {
            return false;
        }

        _window = window;
        _suggested = window.Start + ((window.End - window.Start) * Prng());
        return true;
    }

    /// <summary>The authority did not say.</summary>
    public void NotSaid(DateTimeOffset now) => AskAt = now + s_afterFailure;

    public static RenewalPlan For(ServerCertificate certificate) => new(certificate.NotBefore, certificate.NotAfter);

    // It spreads load, it protects no secret.
#pragma warning disable CA5394
    private static double Prng() => Random.Shared.NextDouble();
#pragma warning restore CA5394
}
