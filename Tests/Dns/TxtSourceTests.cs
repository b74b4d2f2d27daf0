using Microsoft.Extensions.Logging.Abstractions;
using Plane.DnsHost;
using Plane.DnsHost.Server;
using Plane.Testing;

namespace Plane.Tests.Dns;

public sealed class TxtSourceTests
{
    [Fact]
    public async Task Beyond_the_most_questions_to_the_controller_at_a_time_one_is_answered_without_asking()
    {
        var controller = Controller.Make();
        var answer = new TaskCompletionSource<string[]>(TaskCreationOptions.RunContinuationsAsynchronously);
        controller.Read = (_, _) => answer.Task;
        var source = Source(controller, TimeSpan.FromMinutes(5));
        var waiting = Enumerable.Range(0, TxtSource.MaxAsking).Select(i => source.Read(Labels(i))).ToArray();
        var beyond = source.Read(Labels(TxtSource.MaxAsking));
        Assert.True(beyond.IsCompletedSuccessfully);
        Assert.Null(await beyond);
        Assert.Equal(TxtSource.MaxAsking, controller.Asked);

        // A name that is asked for already joins, and with the answers there is room again.
        var joining = source.Read(Labels(0));
        answer.SetResult(["v"]);
        Assert.All(await Eventually.EndsAsync(Task.WhenAll(waiting), "the answers"), v => Assert.Equal(1, v!.Count));
        Assert.Equal(1, (await joining)!.Count);
        Assert.Equal(1, (await source.Read(Labels(TxtSource.MaxAsking)))!.Count);
    }

    [Fact]
    public async Task Invented_names_without_end_are_kept_up_to_a_number()
    {
        var controller = Controller.Make();
        var source = Source(controller, TimeSpan.FromSeconds(2), TimeSpan.FromMinutes(1));
        for (var i = 0; i < 3 * TxtSource.MaxEntries; i++)
        {
            Assert.Equal(0, (await source.Read(Labels(i)))!.Count);
        }

        // The latest are kept, the first ones are not.
        var asked = controller.Asked;
        await source.Read(Labels((3 * TxtSource.MaxEntries) - 1));
        Assert.Equal(asked, controller.Asked);
        await source.Read(Labels(0));
        Assert.Equal(asked + 1, controller.Asked);
    }

    [Fact]
    public async Task A_controller_that_is_away_costs_one_question_a_second_and_is_asked_again_after_it()
    {
        var controller = Controller.Make();
        controller.Read = (_, _) => Task.FromException<string[]>(new TimeoutException("away"));
        var source = Source(controller, TimeSpan.FromSeconds(2), TimeSpan.FromMilliseconds(50));
        Assert.Null(await source.Read(Labels(1)));
        controller.Read = (_, _) => Task.FromResult<string[]>(["v"]);
        await Eventually.SeenAsync(_ => source.Read(Labels(1)), v => v is { Count: 1 }, "the value");
        Assert.InRange(controller.Asked, 2, 3);
    }

    [Theory]
    [InlineData("example.com", true)]
    [InlineData("a", true)]
    [InlineData("xn--nxasmq6b.example", true)]
    [InlineData("1.2.3.4", true)]
    [InlineData("-a.example", false)]
    [InlineData("a-.example", false)]
    [InlineData("_acme-challenge.example.com", false)]
    [InlineData("a b.example", false)]
    [InlineData("\u00e9.example", false)]
    public void A_cluster_is_what_the_contract_says(string text, bool valid)
    {
        Assert.Equal(valid, TxtSource.IsCluster(Packet.Name(text).AsSpan()[..^1]));
        Assert.Equal(valid, ClusterName.TryParse(text, out _));
    }

    private static TxtSource Source(Controller controller, TimeSpan timeout, TimeSpan? cacheFor = null) => new(
        controller.Connection,
        new DnsOptions { ControllerTimeout = timeout, CacheFor = cacheFor ?? TimeSpan.FromSeconds(1) },
        TimeProvider.System,
        NullLogger<TxtSource>.Instance);

    private static byte[] Labels(int i) => Packet.Name($"c{i}.example.com")[..^1];
}
