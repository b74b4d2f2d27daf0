using Orleans.Runtime;
using Plane.Storage;

namespace Plane.Grains;

/// <summary>
/// The border between the store's failures and the callers of grains. Drones and proxies don't know the store's exceptions, and an exception of
/// a type that they don't know reads as "the method ran and failed". An unavailable database is the opposite: the outcome is unknown, retry;
/// that is what
/// <see cref="OrleansException"/> says to every client (<c>CallFailed.IsUnknownOutcome</c>).
/// </summary>
internal static class StoreFailures
{
    public static async Task<T> TranslateStoreFailures<T>(this Task<T> statement)
    {
        try
        {
            return await statement;
        }
        catch (StoreUnavailableException e)
        {
            throw AskAgain(e);
        }
    }

    public static async Task TranslateStoreFailures(this Task statement)
    {
        try
        {
            await statement;
        }
        catch (StoreUnavailableException e)
        {
            throw AskAgain(e);
        }
    }

    /// <summary>The answer to a ping: whether this controller's database answers it.</summary>
    /// <param name="store">The store.</param>
    public static Task EnsureAnswers(this IStore store) =>
        store.Answers ? Task.CompletedTask : Task.FromException(AskAgain(new StoreUnavailableException(store.Outage?.Reason ?? "it has not answered for a moment")));

    // Without the inner exception: it is the driver's, and none of its details belong on the wire.
    private static OrleansException AskAgain(StoreUnavailableException e) => new($"the database is unavailable, retry: {e.Message}");
}
