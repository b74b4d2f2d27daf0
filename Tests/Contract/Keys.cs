using System.Text;
using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;

namespace Plane.Tests.Contract;

/// <summary>Keys: what is valid, and that no two share a grain.</summary>
public sealed class Keys
{
    /// <summary>Short texts of few characters, digits and colons among them, so that encodings could collide.</summary>
    public static Arbitrary<string> Colliding() => (
        from length in Gen.Choose(0, 6)
        from characters in Gen.ArrayOf(Gen.Elements("a0123:/".ToCharArray()), length)
        select new string(characters)).ToArbitrary();

    [Property(Arbitrary = [typeof(Keys)], MaxTest = 2_000)]
    public void Different_keys_have_different_grain_keys(string namespaceA, string nameA, string namespaceB, string nameB)
    {
        var a = new KeyConfig { Namespace = namespaceA, Name = nameA };
        var b = new KeyConfig { Namespace = namespaceB, Name = nameB };
        Assert.Equal((namespaceA, nameA) == (namespaceB, nameB), a.GrainKey == b.GrainKey);
    }

    [Fact]
    public void Short_texts_exhaustively_never_collide()
    {
        const string Characters = "0123:a";
        var texts = new List<string> { "" };
        for (var length = 0; length < 3; length++)
        {
            texts.AddRange(texts.Where(t => t.Length == length).ToArray().SelectMany(t => Characters.Select(c => t + c)));
        }

        var keys = new HashSet<string>();
        foreach (var space in texts)
        {
            foreach (var name in texts)
            {
                Assert.True(keys.Add(new KeyConfig { Namespace = space, Name = name }.GrainKey), $"'{space}' '{name}'");
            }
        }
    }

    [Fact]
    public void The_tag_is_no_part_of_the_grain_key() =>
        Assert.Equal(new KeyConfig { Name = "a", Tag = "b" }.GrainKey, new KeyConfig { Name = "a" }.GrainKey);

    [Property(MaxTest = 1_000)]
    public void A_text_is_valid_exactly_if_it_is_well_formed_without_controls_and_not_too_long(string? text)
    {
        var valid = text is not null && IsWellFormed(text) && !text.Any(char.IsControl) && text.EnumerateRunes().Count() is >= 1 and <= 255;
        Assert.Equal(valid, NameRules.TextProblem(text, 1) is null);
        Assert.Equal(valid || text == "", NameRules.TextProblem(text, 0) is null);
    }

    [Fact]
    public void Length_is_counted_in_scalar_values()
    {
        var pairs = string.Concat(Enumerable.Repeat("\ud83d\udd11", 255));
        Assert.Null(NameRules.TextProblem(pairs, 1));
        Assert.NotNull(NameRules.TextProblem(pairs + "a", 1));
        Assert.NotNull(NameRules.TextProblem(new string('a', 1_000_000), 1));
    }

    [Fact]
    public void An_invalid_name_is_named_with_its_path()
    {
        // Not as data of an attribute: those are kept as UTF-8, which has no unpaired surrogates.
        foreach (var name in new[] { "\ud800", "a\udc00", "\ud800\ud800", "a\0", "a\nb", "\u0085", "" })
        {
            var error = new KeyConfig { Name = name }.Validate("key");
            Assert.Equal("key.name", error?.Path);
            Assert.StartsWith("key.name must", error!.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Namespace_and_tag_may_be_empty_and_are_checked_alike()
    {
        Assert.Null(new KeyConfig { Name = "a" }.Validate("key"));
        Assert.Equal("key.namespace", new KeyConfig { Name = "a", Namespace = "\0" }.Validate("key")?.Path);
        Assert.Equal("key.tag", new KeyConfig { Name = "a", Tag = new string('t', 256) }.Validate("key")?.Path);
        Assert.Equal("key.tag", new KeyConfig { Name = "a", Tag = null! }.Validate("key")?.Path);
    }

    [Theory]
    [InlineData(0.02)]
    [InlineData(1)]
    [InlineData(2)]
    public void The_numbers_hold_at_any_scale(double factor) => Assert.Null(LeaseOptions.Scaled(factor).Validate());

    public static TheoryData<LeaseOptions, string> BadNumbers() => new()
    {
        { new LeaseOptions { Hard = TimeSpan.FromSeconds(54) }, "drift" },
        { new LeaseOptions { Kill = TimeSpan.FromSeconds(9) }, "drift" },
        { new LeaseOptions { RenewAfter = TimeSpan.FromSeconds(29) }, "4 renewal calls" },
        { new LeaseOptions { RenewalCall = TimeSpan.FromSeconds(7) }, "4 renewal calls" },
        { new LeaseOptions { Soft = TimeSpan.FromSeconds(50) }, "grow" },
        { new LeaseOptions { Expiry = TimeSpan.FromSeconds(50) }, "grow" },
        { new LeaseOptions { Sweep = TimeSpan.Zero }, "positive" },
        { new LeaseOptions { Expiry = TimeSpan.FromHours(2) }, "at most an hour" },
        { new LeaseOptions { HeartbeatFresh = TimeSpan.FromSeconds(10) }, "2 heartbeats" },
        { new LeaseOptions { ProxyReport = TimeSpan.FromSeconds(31) }, "2 proxy-reports" },
        { new LeaseOptions { ProxySilent = TimeSpan.FromSeconds(20) }, "3 heartbeats" },
    };

    [Theory]
    [MemberData(nameof(BadNumbers))]
    public void Numbers_that_break_a_rule_say_which(LeaseOptions numbers, string rule) => Assert.Contains(rule, numbers.Validate(), StringComparison.Ordinal);

    [Property(MaxTest = 200)]
    public void Deadlines_grow_and_belong_to_the_reading(PositiveInt reading)
    {
        var deadlines = new LeaseOptions().DeadlinesFrom(reading.Get, "i", "b");
        Assert.Equal((reading.Get + 15_000L, reading.Get + 40_000L, reading.Get + 50_000L), (deadlines.RenewAt, deadlines.SoftAt, deadlines.HardAt));
        var later = new LeaseOptions().DeadlinesFrom(reading.Get + 1L, "i", "b");
        Assert.Same(later, deadlines.Later(later));
        Assert.Same(later, later.Later(deadlines));
    }

    private static bool IsWellFormed(string text)
    {
        try
        {
            return new UTF8Encoding(false, throwOnInvalidBytes: true).GetByteCount(text) >= 0;
        }
        catch (EncoderFallbackException)
        {
            return false;
        }
    }
}
