using Plane.Grains.Storage;
using Plane.Hosting;
using Plane.Tests.Support;

namespace Plane.Tests.EndToEnd;

public sealed partial class StartTests
{
    [Fact]
    public async Task A_second_controller_on_one_database_is_refused_and_told_who_holds_it()
    {
        var second = await plane.StartAsync("second", ["controller", "--db", plane.Database.Url, "--port", "0", "--gateway-port", "0"], Installation.ShortLeases());
        Assert.NotEqual(0, await second.WaitForExitAsync());
        Assert.Contains(second.Lines, l => l.Contains("one silo", StringComparison.Ordinal));
        Assert.Contains(second.Lines, l => l.Contains("co-", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_controller_on_the_database_of_an_Orleans_cluster_is_refused_and_told_which_it_is()
    {
        await using var database = await (await PostgresServer.SharedAsync()).CreateDatabaseAsync();
        await using var store = StoreFactory.Create(database.Url, new LeaseNumbers());
        await store.InitializeAsync(default);
        await using var share = (await store.TryJoinAsync("plane", "plane", "the Orleans cluster 'plane', last joined by co-one", default)).Lock!;
        var controller = await plane.StartAsync("embedded", ["controller", "--db", database.Url, "--port", "0", "--gateway-port", "0"]);
        Assert.Equal(ExitCodes.Refused, await controller.WaitForExitAsync());
        Assert.Contains(controller.Lines, l => l.Contains("another silo serves this database: the Orleans cluster 'plane', last joined by co-one", StringComparison.Ordinal));
    }
}
