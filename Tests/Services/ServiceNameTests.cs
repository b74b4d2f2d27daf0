namespace Plane.Tests.Services;

/// <summary>A service's name, and what is made of it: namespaces and host labels.</summary>
public sealed class ServiceNameTests
{
    private static readonly ServiceName s_board = ServiceName.Parse("board");

    [Theory]
    [InlineData("a")]
    [InlineData("board")]
    [InlineData("a-b-c")]
    [InlineData("a1")]
    [InlineData("abcdefghijklmnopqrstuvwxyz1234")]
    public void A_label_that_begins_with_a_letter_is_a_name(string text) => Assert.True(ServiceName.TryParse(text, out _));

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("1a")]
    [InlineData("-a")]
    [InlineData("a-")]
    [InlineData("a--b")]
    [InlineData("A")]
    [InlineData("a.b")]
    [InlineData("a/b")]
    [InlineData("ä")]
    [InlineData("xn--a")]
    [InlineData("abcdefghijklmnopqrstuvwxyz12345")]
    public void Anything_else_is_none(string? text) => Assert.False(ServiceName.TryParse(text, out _));

    [Theory]
    [InlineData("", "board")]
    [InlineData("team", "board/team")]
    [InlineData("a/b", "board/a/b")]
    [InlineData("/", "board//")]
    public void A_service_owns_the_namespace_of_its_name_and_those_below(string keyNamespace, string held)
    {
        var key = new KeyConfig { Name = "room", Namespace = keyNamespace, Tag = "t" };
        var within = ServiceKeys.Within(s_board, key);
        Assert.Equal(key with { Namespace = held }, within);
        Assert.Equal(key, ServiceKeys.Outside(s_board, within));
        Assert.Equal(s_board, ServiceKeys.OwnerOf(held));
    }

    [Theory]
    [InlineData("boards")]
    [InlineData("Board")]
    [InlineData("other/board")]
    [InlineData("")]
    [InlineData("/board")]
    public void No_other_namespace_is_its_own(string keyNamespace)
    {
        Assert.Null(ServiceKeys.Outside(s_board, new KeyConfig { Name = "room", Namespace = keyNamespace }));
        Assert.NotEqual(s_board, ServiceKeys.OwnerOf(keyNamespace));
    }

    [Fact]
    public void A_namespace_must_leave_room_for_the_services_name()
    {
        Assert.Null(ServiceKeys.Validate(s_board, new KeyConfig { Name = "room", Namespace = new string('n', 249) }, "key"));
        Assert.Equal("key.namespace", ServiceKeys.Validate(s_board, new KeyConfig { Name = "room", Namespace = new string('n', 250) }, "key")?.Path);
        Assert.Equal("key.name", ServiceKeys.Validate(s_board, new KeyConfig { Name = "" }, "key")?.Path);
    }

    [Theory]
    [InlineData("room-1")]
    [InlineData("a--b")]
    [InlineData("k")]
    [InlineData("0")]
    [InlineData("kabcdefghijklmnopqrstuvwxy")]
    [InlineData("kabcdefghijklmnopqrstuvwxy1")]
    public void A_name_that_is_a_dns_label_is_the_label(string name)
    {
        Assert.Equal(name, ServiceLabel.Of(s_board, new KeyConfig { Name = name }));
        Assert.True(ServiceLabel.TryParse($"{name}--board", out var service, out var label));
        Assert.Equal((s_board, name), (service, label));
        Assert.Equal($"https://{name}--board.example.com/", ServiceLabel.UrlOf(s_board, new KeyConfig { Name = name }, ClusterName.Parse("example.com")));
    }

    [Theory]
    [InlineData("Room", "")]
    [InlineData("room 1", "")]
    [InlineData("räum", "")]
    [InlineData("-a", "")]
    [InlineData("a-", "")]
    [InlineData("a.b", "")]
    [InlineData("xn", "")]
    [InlineData("xn--a", "")]
    [InlineData("kabcdefghijklmnopqrstuvwxyz", "")]
    [InlineData("room", "team")]
    [InlineData("abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcde", "")]
    public void Every_other_key_has_a_hash(string name, string keyNamespace)
    {
        var key = new KeyConfig { Name = name, Namespace = keyNamespace };
        var label = ServiceLabel.Of(s_board, key);
        Assert.Matches("^k[a-z2-7]{26}$", label);
        Assert.True(ServiceLabel.IsHash(label));
        Assert.True(ServiceLabel.TryParse($"{label}--board", out _, out var read));
        Assert.Equal(label, read);
        Assert.Equal(label, ServiceLabel.Of(s_board, key with { Tag = "any" }));
        Assert.NotEqual(label, ServiceLabel.Of(s_board, key with { Name = name + "x" }));
    }

    // Computed elsewhere (Python: base64.b32encode(hashlib.sha256("4:teamRäum 1".encode()).digest())[:26].lower()), so that other clients can do the same.
    [Fact]
    public void The_hash_is_that_of_the_documents() =>
        Assert.Equal("klofcj6o2hd2dvdypluowg3o3cs", ServiceLabel.Of(s_board, new KeyConfig { Name = "Räum 1", Namespace = "team" }));

    [Fact]
    public void A_hash_tells_namespace_and_name_apart() => Assert.NotEqual(
        ServiceLabel.Of(s_board, new KeyConfig { Name = "bc", Namespace = "a" }), ServiceLabel.Of(s_board, new KeyConfig { Name = "c", Namespace = "ab" }));

    [Theory]
    [InlineData("")]
    [InlineData("board")]
    [InlineData("--board")]
    [InlineData("room--")]
    [InlineData("room--Board")]
    [InlineData("room-board")]
    [InlineData("Room--board")]
    [InlineData("xn--board")]
    [InlineData("xn--a--board")]
    [InlineData("room---board-")]
    public void A_host_label_without_label_or_service_is_none(string hostLabel) => Assert.False(ServiceLabel.TryParse(hostLabel, out _, out _));

    [Fact]
    public void A_whole_host_label_has_at_most_63_characters()
    {
        var name = new string('a', 63 - "--board".Length);
        Assert.Equal(name, ServiceLabel.Of(s_board, new KeyConfig { Name = name }));
        Assert.True(ServiceLabel.IsHash(ServiceLabel.Of(s_board, new KeyConfig { Name = name + "a" })));
        Assert.False(ServiceLabel.TryParse($"{name}a--board", out _, out _));
    }
}
