using System.Diagnostics;
using Plane.Storage;

namespace Plane.Tests.Contract;

/// <summary>The trace of a connect in its action's row: read back as it was written, or not at all.</summary>
public sealed class TraceParents
{
    private const string Valid = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    private static readonly LeaseDeadlines s_deadlines = new() { InstanceId = "i", BootId = "b", RenewAt = 1, SoftAt = 2, HardAt = 3 };

    [Theory]
    [InlineData(Valid, true)]
    [InlineData("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00", true)]
    [InlineData("00-0AF7651916CD43DD8448EB211C80319C-B7AD6B7169203331-01", false)]
    [InlineData("00-00000000000000000000000000000000-b7ad6b7169203331-01", false)]
    [InlineData("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", false)]
    [InlineData("ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false)]
    [InlineData(Valid + "-more", false)]
    [InlineData("", false)]
    [InlineData(null, false)]
    public void A_row_gives_a_valid_trace_parent_or_none(string? written, bool isRead)
    {
        var spawn = $$"""{"Executable":{"Image":"x"},"Key":{"Name":"k"},"TraceParent":{{(written is null ? "null" : $"\"{written}\"")}}}""";
        Assert.Equal(isRead ? written : null, StoreText.ReadSpawn(spawn, s_deadlines).TraceParent);
    }

    [Fact]
    public void A_row_of_an_earlier_version_has_none() =>
        Assert.Null(StoreText.ReadSpawn("""{"Executable":{"Image":"x"},"Key":{"Name":"k"}}""", s_deadlines).TraceParent);

    [Fact]
    public void What_is_written_is_the_current_trace()
    {
        using var activity = new Activity("connect").SetIdFormat(ActivityIdFormat.W3C).Start();
        var command = ConnectCommand.For(
            new ConnectRequest { Key = new KeyConfig { Name = "k" }, SpawnConfig = new SpawnConfig { Executable = new Executable { Image = "x" } } }, ClusterName.Parse("localhost:9090"));
        Assert.Equal(activity.Id, StoreText.ReadSpawn(StoreText.WriteSpawn(ResolvedConnect.Of(command)), s_deadlines).TraceParent);
    }
}
