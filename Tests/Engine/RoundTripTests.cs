using System.Globalization;
using Orleans;

namespace Plane.Tests.Engine;

public sealed class RoundTripTests(ProbeCluster cluster) : IClassFixture<ProbeCluster>
{
    private IEcho Echo => cluster.Client.GetGrain<IEcho>("echo");

    [Fact]
    public async Task A_message_with_everything_comes_back_as_it_was()
    {
        var sent = Sample();
        var back = await Echo.Everything(sent);
        Assert.Equal(sent.Numbers, back.Numbers);
        Assert.Equal(sent.Bytes, back.Bytes);
        Assert.Equal(sent.Pairs, back.Pairs);
        Assert.Equal(sent.Inners, back.Inners);
        Assert.Equal(sent with { Numbers = back.Numbers, Bytes = back.Bytes, Pairs = back.Pairs, Inners = back.Inners }, back);
        Assert.Equal(sent.Moment.Offset, back.Moment.Offset);
    }

    [Fact]
    public async Task Null_comes_back_as_null() => Assert.Null(await Echo.Nullable(null));

    [Fact]
    public async Task Null_does_not_become_the_constructors_default()
    {
        Assert.Equal(new WithDefaults(null, null), await Echo.Defaults(new WithDefaults(null, null)));
        Assert.Equal(new WithDefaults("", 0), await Echo.Defaults(new WithDefaults("", 0)));
        Assert.Equal(new WithDefaults(), await Echo.Defaults(new WithDefaults()));
    }

    [Fact]
    public async Task Cases_of_a_union_keep_their_type()
    {
        Assert.Equal(new Circle(2.5), await Echo.Shape(new Circle(2.5)));
        Shape[] sent = [new Square(1, new Circle(0.5)), new Circle(double.MaxValue), new Square(2)];
        Assert.Equal(sent, await Echo.Shapes(sent));
    }

    [Theory]
    [InlineData("")]
    [InlineData("line\nfeed\r\ttab \0 nul")]
    [InlineData("\"quotes\" \\ / <script>&'+")]
    [InlineData("🔑 ключ \u2028 \uFFFF \u007F")]
    public async Task Text_comes_back_as_it_was(string text) => Assert.Equal(text, await Echo.Text(text));

    [Fact]
    public async Task Extremes_come_back_as_they_were()
    {
        var sent = Sample() with
        {
            Number = int.MinValue, Big = long.MinValue, Huge = ulong.MaxValue, Real = double.Epsilon, Money = decimal.MaxValue, Span = TimeSpan.MinValue,
            Moment = DateTimeOffset.MaxValue, Colour = Colour.Blue, Numbers = [], Pairs = [], Inners = [], Bytes = [],
        };
        var back = await Echo.Everything(sent);
        Assert.Equal(sent with { Numbers = back.Numbers, Bytes = back.Bytes, Pairs = back.Pairs, Inners = back.Inners }, back);
        Assert.True(double.IsNaN((await Echo.Everything(sent with { Real = double.NaN })).Real));
        Assert.True(double.IsNegativeInfinity((await Echo.Everything(sent with { Real = double.NegativeInfinity })).Real));
    }

    [Fact]
    public async Task Large_messages_come_back_as_they_were()
    {
        var text = string.Concat(Enumerable.Range(0, 100_000).Select(i => i.ToString(CultureInfo.InvariantCulture)));
        Assert.Equal(text, await Echo.Text(text));
        var bytes = new byte[3 << 20];
        new Random(7).NextBytes(bytes);
        Assert.Equal(bytes, await Echo.Bytes(bytes));
    }

    [Fact]
    public async Task Keys_of_a_dictionary_are_kept_to_the_letter()
    {
        var sent = new Dictionary<string, Inner> { ["A"] = new("1"), ["a"] = new("2"), [""] = new("3"), ["$type"] = new("4"), ["ä\n"] = new("5") };
        Assert.Equal(sent, await Echo.Dictionary(sent));
    }

    [Fact]
    public async Task A_name_is_kept() => Assert.Equal(ProbeName.Parse("abc"), await Echo.Name(ProbeName.Parse("abc")));

    [Fact]
    public async Task Calls_inside_the_silo_carry_the_same_messages()
    {
        var inside = (IGrainFactory)cluster.Cluster.GetSiloServiceProvider().GetService(typeof(IGrainFactory))!;
        Assert.Equal(new Circle(1), await inside.GetGrain<IEcho>("echo").Shape(new Circle(1)));
    }

    [Fact]
    public async Task A_call_without_a_result_returns() => await Echo.Nothing();

    internal static Everything Sample() => new(
        true,
        -42,
        long.MaxValue,
        1UL << 63,
        0.1,
        79.99m,
        "text",
        null,
        TimeSpan.FromTicks(123456789),
        new DateTimeOffset(2024, 2, 29, 23, 59, 59, 999, TimeSpan.FromHours(-9.5)),
        Colour.Red,
        null,
        [1, -2, 3],
        new Dictionary<string, string> { ["one"] = "1", ["two"] = "" },
        new Inner("outer", new Inner("inner")),
        [new Inner("a"), new Inner("b", new Inner("c"))],
        [0, 255, 128],
        Guid.Parse("00112233-4455-6677-8899-aabbccddeeff"),
        null,
        ProbeName.Parse("somename"));
}
