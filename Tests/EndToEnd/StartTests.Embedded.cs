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
}
