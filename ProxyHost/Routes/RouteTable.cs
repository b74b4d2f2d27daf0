using System.Diagnostics.CodeAnalysis;

namespace Plane.ProxyHost.Routes;

/// <summary>What a request asks: the route of a token, if it is known and may still be trusted.</summary>
internal sealed class RouteTable(ProxyOptions options, RouteCache cache, RouteChecks checks, ChangeProgress progress, ILeaseClock clock)
{
    private readonly long _gap = (long)options.ChangeGap.TotalMilliseconds;
    private readonly long _trust = (long)options.RouteTrust.TotalMilliseconds;

    public bool TryGet(ReadOnlySpan<char> token, [NotNullWhen(true)] out RouteEntry? entry)
    {
        if (!cache.TryGet(token, out entry))
        {
            return false;
        }

        var now = clock.Milliseconds;
        entry.LastUsed = now;
        var blind = now - Math.Max(progress.ReadAt, entry.CheckedAt);
        if (blind > _trust)
        {
            entry = null;
            return false;
        }

        if (blind > _gap || cache.MustCheck(entry))
        {
            checks.Offer(entry);
        }

        return true;
    }
}
