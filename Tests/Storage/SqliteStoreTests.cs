namespace Plane.Tests.Storage;

/// <summary>The suite on SQLite.</summary>
public sealed class SqliteStoreTests : StoreSuite
{
    protected override Task<IStoreHarness> OpenAsync() => SqliteHarness.OpenAsync(Numbers);
}
