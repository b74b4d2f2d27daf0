using Plane.Tests.Support;

namespace Plane.Tests.Storage;

/// <summary>The suite on PostgreSQL, with two controllers' stores on one database.</summary>
public sealed class PostgresStoreTests : StoreSuite
{
    internal TestDatabase Database => ((PostgresHarness)Harness).Database;

    protected override async Task<IStoreHarness> OpenAsync() => await PostgresHarness.OpenAsync(Numbers);
}
