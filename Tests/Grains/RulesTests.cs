using FsCheck.Xunit;
using Microsoft.Extensions.DependencyInjection;
using Plane.Grains;
using Plane.Grains.Feed;
using Plane.Grains.Keys;

namespace Plane.Tests.Grains;

public sealed class RulesTests
{
    [Property(MaxTest = 500)]
    public bool A_valid_keys_grain_key_reads_back_as_the_key(string? name, string? space)
    {
        var key = new KeyConfig { Name = name ?? "", Namespace = space ?? "" };
        return key.Validate("key") is not null || (GrainKeyText.TryParse(key.GrainKey, out var read) && read == key);
    }

    [Theory]
    [InlineData("")]
    [InlineData("room")]
    [InlineData(":room")]
    [InlineData("5:abc")]
    [InlineData("-1:abc")]
    [InlineData("00:abc")]
    [InlineData("3:abc")]
    [InlineData("99999999999:abc")]
    public void What_is_no_grain_key_is_refused(string text) => Assert.False(GrainKeyText.TryParse(text, out _));

    [Theory]
    [InlineData(BackendStatus.Ready, "127.0.0.1:30001", null)]
    [InlineData(BackendStatus.Ready, "[::1]:30001", null)]
    [InlineData(BackendStatus.Ready, null, "has an address")]
    [InlineData(BackendStatus.Ready, "127.0.0.1", "not an IP address with a port")]
    [InlineData(BackendStatus.Ready, "example.com:80", "not an IP address with a port")]
    [InlineData(BackendStatus.Loading, null, null)]
    [InlineData(BackendStatus.Scheduled, null, "only the controller")]
    [InlineData((BackendStatus)55, null, "unknown")]
    public void A_state_event_is_checked(BackendStatus status, string? address, string? refusal)
    {
        var e = new StateEvent { Sequence = 1, Identity = new BackendIdentity(BackendName.NewRandom(), new FencingToken(1)), Status = status, Address = address };
        if (refusal is null)
        {
            Assert.Null(e.Refusal());
        }
        else
        {
            Assert.Contains(refusal, e.Refusal());
        }
    }

    [Fact]
    public void A_message_is_cut_between_characters_and_cleaned_of_what_cannot_be_stored()
    {
        var e = new StateEvent
        {
            Sequence = 1,
            Identity = new BackendIdentity(BackendName.NewRandom(), new FencingToken(1)),
            Status = BackendStatus.Terminated,
            Message = "\ud800\0" + string.Concat(Enumerable.Repeat("😀", 600)),
        };
        var message = e.Cleaned().Message!;
        Assert.InRange(message.Length, StateEvent.MaxMessage - 1, StateEvent.MaxMessage);
        Assert.StartsWith("\uFFFD\uFFFD😀", message);
        Assert.False(NameRules.HasUnpairedSurrogate(message));
    }

    [Fact]
    public void Options_that_are_out_of_bounds_are_all_named()
    {
        var options = new GrainOptions { Version = "", KeepLogRows = TimeSpan.Zero, LeaseNumbers = new LeaseOptions { Hard = TimeSpan.FromSeconds(59) } };
        var e = Assert.Throws<ArgumentException>(() => new ServiceCollection().AddPlaneGrains(options));
        Assert.Contains("version", e.Message);
        Assert.Contains("change log", e.Message);
        Assert.Contains("hard + kill", e.Message);
    }

    [Fact]
    public void Every_kind_of_change_wakes_somebody_in_particular()
    {
        // TXT values are the exception: whoever asks for them is answered from the store, at most a second late.
        foreach (var kind in Enum.GetValues<ChangeKind>().Where(k => k != ChangeKind.TxtValues))
        {
            var change = new Change
            {
                Position = new LogPosition(1, 1),
                Kind = kind,
                Cluster = ClusterName.Parse("c.test"),
                Backend = new BackendIdentity(BackendName.NewRandom(), new FencingToken(1)),
                Status = BackendStatus.Loading,
                Drone = DroneName.NewRandom(),
                TokenHash = "x",
            };
            Assert.True(Topic.Of(change).Count() > 1, $"{kind}");
        }
    }
}
