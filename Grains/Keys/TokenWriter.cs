using Plane.Grains.Batching;
using Plane.Grains.Metrics;
using Plane.Storage;

namespace Plane.Grains.Keys;

/// <summary>Stores the connection tokens of all connects of this silo, so that a hot key isn't served one insert at a time.</summary>
internal sealed class TokenWriter(IKeyStore store, TimeProvider time, ControllerMetrics metrics) : IAsyncDisposable
{
    // 512: a row has at most some 10 kB (auth), so a statement stays at a few MB.
    private static readonly BatchLimits s_limits = new("tokens", MaxItems: 512, MaxQueued: 10_000, Longest: TimeSpan.FromSeconds(8));

    private readonly BatchWriter<TokenRequest, TokenResult> _writer = new(s_limits, store.IssueTokensAsync, static _ => 1, time, metrics);

    public Task<TokenResult> IssueAsync(TokenRequest request, CancellationToken cancellationToken) => _writer.WriteAsync(request, cancellationToken);

    public ValueTask DisposeAsync() => _writer.DisposeAsync();
}
