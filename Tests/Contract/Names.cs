using System.Text.Json;
using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;

namespace Plane.Tests.Contract;

/// <summary>Names that come from outside: what is accepted is exactly what the rule says, and is kept as it is.</summary>
public sealed class Names
{
    private const string Lower = "abcdefghijklmnopqrstuvwxyz0123456789-";

    /// <summary>Texts near the rules: from the allowed characters and some others, at every length around the limits.</summary>
    public static Arbitrary<string> Near() => Gen.OneOf(
        from prefix in Gen.Elements("", "co-", "dr-", "px-", "ns-", "DR-", "dr", "s.", "-")
        from length in Gen.Choose(0, 50)
        from characters in Gen.ArrayOf(Gen.Frequency((40, Gen.Elements(Lower.ToCharArray())), (1, Gen.Elements("A_.é\0 \n/:\ud800\uff10".ToCharArray()))), length)
        select prefix + new string(characters),
        ArbMap.Default.GeneratorFor<string>().Where(s => s is not null)).ToArbitrary();

    [Property(Arbitrary = [typeof(Names)], MaxTest = 500)]
    public void Component_names_follow_one_rule(string text)
    {
        Check<BackendName>(text, "");
        Check<ControllerName>(text, "co-");
        Check<DroneName>(text, "dr-");
        Check<ProxyName>(text, "px-");
        Check<DnsServerName>(text, "ns-");
    }

    [Property(Arbitrary = [typeof(Names)], MaxTest = 500)]
    public void A_cluster_is_a_host_name_with_an_optional_port(string text)
    {
        if (!ClusterName.TryParse(text, out var name))
        {
            Assert.Throws<FormatException>(() => ClusterName.Parse(text));
            return;
        }

        Assert.Equal(text.ToLowerInvariant(), name.Value);
        Assert.InRange(name.Port, 1, 65_535);
        Assert.All(name.Host.Split('.'), label => Assert.Matches("^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", label));
        Assert.Equal(name, ClusterName.Parse(name.Value));
        Assert.Equal(name, JsonSerializer.Deserialize<ClusterName>(JsonSerializer.Serialize(name)));
    }

    [Theory]
    [InlineData("localhost:9090", "localhost", 9090, "http")]
    [InlineData("Example.COM", "example.com", 443, "https")]
    [InlineData("example.com:443", "example.com", 443, "https")]
    [InlineData("127.0.0.1:1", "127.0.0.1", 1, "http")]
    public void A_valid_cluster_is_read(string text, string host, int port, string scheme)
    {
        var name = ClusterName.Parse(text);
        Assert.Equal((host, port, scheme), (name.Host, name.Port, name.Scheme));
    }

    [Theory]
    [InlineData("")]
    [InlineData("a:")]
    [InlineData("a:0")]
    [InlineData("a:01")]
    [InlineData("a:65536")]
    [InlineData("a:1:2")]
    [InlineData("a..b")]
    [InlineData(".a")]
    [InlineData("-a")]
    [InlineData("a_b")]
    [InlineData("a b")]
    [InlineData("a/b")]
    [InlineData("ä.com")]
    [InlineData("a:+1")]
    [InlineData("a:\u0661")]
    public void An_invalid_cluster_is_refused(string text) => Assert.False(ClusterName.TryParse(text, out _));

    [Property(Arbitrary = [typeof(Names)], MaxTest = 300)]
    public void A_token_is_43_base64url_characters_after_an_optional_s(string text)
    {
        var valid = System.Text.RegularExpressions.Regex.IsMatch(text, @"^(s\.)?[A-Za-z0-9_-]{43}\z");
        Assert.Equal(valid, BearerToken.TryParse(text, out var token));
        if (valid)
        {
            Assert.Equal(text, token.Value);
        }
    }

    [Fact]
    public void Random_tokens_are_valid_different_and_never_shown()
    {
        foreach (var token in Enumerable.Range(0, 200).SelectMany(_ => new[] { BearerToken.NewRandom(), BearerToken.NewStatic() }))
        {
            Assert.Equal(token, BearerToken.Parse(token.Value));
            Assert.DoesNotContain(token.Value[3..20], $"{token}", StringComparison.Ordinal);
            Assert.Equal(43, token.Hash().Length);
            Assert.NotEqual(token.Value, token.Hash());
        }

        Assert.Equal(200, Enumerable.Range(0, 200).Select(_ => BearerToken.NewRandom().Value).Distinct().Count());
        Assert.True(BearerToken.NewStatic().IsStatic);
        Assert.False(BearerToken.NewRandom().IsStatic);
    }

    [Fact]
    public void Random_names_are_valid()
    {
        foreach (var _ in Enumerable.Range(0, 100))
        {
            Assert.Equal(14, BackendName.NewRandom().Value.Length);
            BackendName.Parse(BackendName.NewRandom().Value);
            DroneName.Parse(DroneName.NewRandom().Value);
            ProxyName.Parse(ProxyName.NewRandom().Value);
            ControllerName.Parse(ControllerName.NewRandom().Value);
            Assert.Null(KeyConfig.NewRandom().Validate("key"));
        }
    }

    [Fact]
    public void A_name_that_was_never_set_throws_where_it_is_used_and_prints_nothing()
    {
        Assert.Throws<InvalidOperationException>(() => default(BackendName).Value);
        Assert.Throws<InvalidOperationException>(() => default(BearerToken).Value);
        Assert.Throws<InvalidOperationException>(() => JsonSerializer.Serialize(default(DroneName)));
        Assert.Equal("", default(ClusterName).ToString());
    }

    [Theory]
    [InlineData("null")]
    [InlineData("1")]
    [InlineData("\"dr-UPPER\"")]
    [InlineData("\"px-other\"")]
    [InlineData("{}")]
    [InlineData("\"\"")]
    public void A_wire_cannot_bring_in_an_invalid_name(string json) => Assert.Throws<JsonException>(() => JsonSerializer.Deserialize<DroneName>(json));

    [Theory]
    [InlineData("0")]
    [InlineData("-1")]
    [InlineData("1.5")]
    [InlineData("9223372036854775808")]
    [InlineData("\"1\"")]
    public void A_wire_cannot_bring_in_an_invalid_fencing_token(string json) =>
        Assert.Throws<JsonException>(() => JsonSerializer.Deserialize<FencingToken>(json));

    [Fact]
    public void An_enum_is_a_known_name_on_the_wire_never_a_number()
    {
        Assert.Equal("\"hard-terminating\"", JsonSerializer.Serialize(BackendStatus.HardTerminating));
        Assert.Throws<JsonException>(() => JsonSerializer.Deserialize<BackendStatus>("50"));
        Assert.Throws<JsonException>(() => JsonSerializer.Deserialize<BackendStatus>("\"50\""));
        Assert.Throws<JsonException>(() => JsonSerializer.Deserialize<BackendStatus>("\"finished\""));
        Assert.Throws<JsonException>(() => JsonSerializer.Serialize((BackendStatus)51));
    }

    private static void Check<T>(string text, string prefix)
        where T : struct, IPlaneName<T>
    {
        var valid = text.Length > prefix.Length && text.Length <= 45 && text.StartsWith(prefix, StringComparison.Ordinal) && text.All(Lower.Contains);
        Assert.Equal(valid, T.TryParse(text, out var name));
        if (valid)
        {
            Assert.Equal(text, name.Value);
            Assert.Equal(text, name.ToString());
            Assert.Equal(name, JsonSerializer.Deserialize<T>(JsonSerializer.Serialize(name)));
        }
        else
        {
            Assert.Equal(default, name);
            Assert.Throws<JsonException>(() => JsonSerializer.Deserialize<T>(JsonSerializer.Serialize(text)));
        }

        Assert.Contains(prefix, T.Rule, StringComparison.Ordinal);
    }
}
