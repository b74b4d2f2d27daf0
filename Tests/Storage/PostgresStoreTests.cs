namespace Plane.Tests.Storage;

/// <summary>The suite on PostgreSQL, with two controllers' stores on one database.</summary>
public sealed class PostgresStoreTests : StoreSuite
{
    protected override async Task<IStoreHarness> OpenAsync() => await PostgresHarness.OpenAsync(Numbers);
}
