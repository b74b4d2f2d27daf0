using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Plane.Hosting;

namespace Plane.Tests.EndToEnd;

public sealed partial class StartTests
{
    [Fact]
    public async Task A_controller_of_another_cluster_on_one_database_is_refused_and_told_who_holds_it()
    {
        var second = await SecondAsync("--cluster-id", "other");
        Assert.Equal(ExitCodes.Refused, await second.WaitForExitAsync());
        Assert.Contains(second.Lines, l => l.Contains("the database belongs to the cluster 'plane'", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_second_controller_of_the_cluster_joins_and_answers_for_what_the_first_began()
    {
        var request = await Installation.RequestAsync($"k{Guid.NewGuid():N}", Installation.Processes);
        var second = await SecondAsync();
        var url = (await second.WaitForLineAsync(@"^ready controller .*url=(\S+)", TimeSpan.FromSeconds(60))).Groups[1].Value;
        var first = await plane.ConnectAsync((JsonObject)request.DeepClone());
        using (var response = await plane.Http.PostAsJsonAsync(new Uri(new Uri(url), "/ctrl/connect"), request))
        {
            Assert.Equal(first.Backend, new Connected(JsonNode.Parse(await response.Content.ReadAsStringAsync())!).Backend);
        }

        await plane.TerminateAsync(first.Backend);
        Assert.Equal(ExitCodes.Done, await second.StopAsync());
    }

    private Task<Testing.RunningProgram> SecondAsync(params string[] more) => plane.StartAsync(
        "second",
        ["controller", "--db", plane.Database.Url, "--port", "0", "--gateway-port", "0", "--silo-port", "0", "--default-cluster", plane.Cluster, .. more],
        Installation.ShortLeases());
}
