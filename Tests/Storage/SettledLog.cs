using Plane.Storage;
using Plane.Testing;

namespace Plane.Tests.Storage;

internal static class SettledLog
{
    /// <summary>
    /// Where the change log ends, once it shows all that was committed before. <see cref="IChangeLog.ReadLogEndAsync"/> alone can name a place before that: a transaction of another
    /// test, in another database of the same server, holds the log back.
    /// </summary>
    public static async Task<LogPosition> SettledLogEndAsync(this IPlaneStore store)
    {
        var marker = ClusterName.Parse($"{Guid.NewGuid():N}.example");
        var at = await store.ReadLogEndAsync(default);
        await store.SetTxtAsync(marker, new TxtValues { Owner = "operator" }, TimeSpan.FromMinutes(1), default);
        var found = await Eventually.SeenAsync(
            async token =>
            {
                var page = await store.ReadLogAsync(at, 1_000, token);
                at = page.Next;
                return page.Changes.FirstOrDefault(c => c.Cluster == marker);
            },
            change => change is not null,
            "the log shows what was committed before");
        return found!.Position;
    }
}
