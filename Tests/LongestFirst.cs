using Xunit.Abstractions;

namespace Plane.Tests;

/// <summary>
/// Begins with the collections that take longest (leases that have to expire, several processes one after the other): begun last, they were all that ran in the
/// last minute and a half, on one thread. The rest keeps its order.
/// </summary>
public sealed class LongestFirst : ITestCollectionOrderer
{
    /// <summary>By what a whole run took, longest first; one that is gone or renamed only loses its place.</summary>
    private static readonly string[] s_long =
    [
        EndToEnd.InstallationTests.Name,
        nameof(Cluster.ClusterTests),
        nameof(EndToEnd.DemoTests),
        Acme.WorldTests.Name,
        nameof(Applications.LocalApplicationTests),
        Applications.SecureApplications.Name,
        nameof(Grains.SweepTests),
        nameof(Demo.BoardPageTests),
        nameof(Guard.GuardTests),
        nameof(Storage.FailoverTests),
        nameof(Storage.AwayTests),
        nameof(EndToEnd.DatabaseAwayTests),
        nameof(Silo.AccessTests),
        nameof(Silo.LogRouteTests),
        nameof(Storage.PostgresStoreTests),
        nameof(Storage.SqliteStoreTests),
        nameof(Storage.PostgresOutageTests),
        nameof(SimulationTests.ScheduleTests),
        nameof(Dns.DnsCheckTests),
        nameof(Guard.AgentLossTests),
        nameof(Cluster.MembershipTests),
        nameof(EndToEnd.SampleTests),
    ];

    public IEnumerable<ITestCollection> OrderTestCollections(IEnumerable<ITestCollection> testCollections) =>
        testCollections.OrderBy(collection => Array.FindIndex(s_long, name => collection.DisplayName == name || collection.DisplayName.EndsWith($".{name}", StringComparison.Ordinal)) switch
        {
            -1 => s_long.Length,
            var place => place,
        });
}
