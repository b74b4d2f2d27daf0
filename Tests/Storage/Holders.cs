using Plane.Storage;

namespace Plane.Tests;

/// <summary>Who holds a key, as a connect finds it.</summary>
internal static class Holders
{
    public static async Task<HolderInfo?> ReadHolderAsync(this IPlaneStore store, KeyConfig key, CancellationToken cancellationToken) =>
        (await store.IssueTokensAsync([new TokenRequest(key, BearerToken.NewRandom().Hash(), "secret", null, null)], cancellationToken)).Single().Holder;
}
