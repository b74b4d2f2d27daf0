namespace Plane.Tests.Contract;

/// <summary>Image references: what no container engine takes is refused with the field's name before anything is scheduled.</summary>
public sealed class ImageReferences
{
    private const string Hex64 = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    public static TheoryData<string> Valid() =>
    [
        "busybox", "busybox:latest", "a", "0", "my-image", "library/busybox:1.36", "team/app/part:v1_2.3-rc", "a__b/c--d/e.f_g",
        "localhost/app", "localhost:5000/app:1", "127.0.0.1:9/no-such-image:1", "[::1]:5000/app", "registry.example/app", "registry.example:5000/team/app:1.2",
        "REGISTRY.example/app", "Registry/app", $"app@sha256:{Hex64}", $"registry.example:5000/team/app:1.2@sha256:{Hex64}",
        $"app@sha384:{Hex64}{Hex64[..32]}", $"app@sha512:{Hex64}{Hex64}", $"sha256:{Hex64}", Hex64, "4bcff63911fc",
        "app:" + new string('t', 128), new string('a', 255), "registry.example/" + new string('a', 255), "app:_1", "app:A",
    ];

    public static TheoryData<string, string> Invalid() => new()
    {
        { "", "empty" },
        { new string('a', 1025), "1024" },
        { new string('a', 256), "255" },
        { "registry.example/" + new string('a', 256), "255" },
        { "x/UPPER:1", "lower case" },
        { "UPPER", "lower case" },
        { "Upper:1", "lower case" },
        { "a:b:1", "repository" },
        { "a:b/c:1:2", "registry" },
        { "registry.example:/app", "registry" },
        { "registry.example:port/app", "registry" },
        { "registry.example:123456/app", "registry" },
        { "-registry.example/app", "registry" },
        { "[::1/app", "registry" },
        { "http://registry.example/app", "registry" },
        { "a b", "repository" },
        { "a\n", "repository" },
        { "a:1\n", "tag" },
        { "a/b\n", "repository" },
        { "bild\u00e4", "repository" },
        { "/app", "repository" },
        { "app/", "repository" },
        { "a//b", "repository" },
        { "a/../b", "repository" },
        { "../b", "registry" },
        { ".", "repository" },
        { "-a", "repository" },
        { "a-", "repository" },
        { "a..b", "repository" },
        { "a___b", "repository" },
        { "a+b", "repository" },
        { "app:", "tag" },
        { "app:.1", "tag" },
        { "app:-1", "tag" },
        { "app:1+2", "tag" },
        { "app:" + new string('t', 129), "tag" },
        { ":1", "repository" },
        { "app@", "digest" },
        { "app@sha256:", "digest" },
        { $"app@sha256:{Hex64[1..]}", "digest" },
        { $"app@sha256:{Hex64}0", "digest" },
        { $"app@sha256:{Hex64.ToUpperInvariant()}", "digest" },
        { $"app@md5:{Hex64}", "digest" },
        { $"app@sha256:{Hex64}@sha256:{Hex64}", "digest" },
        { $"@sha256:{Hex64}", "repository" },
    };

    [Theory]
    [MemberData(nameof(Valid))]
    public void A_reference_that_an_engine_takes_is_accepted(string image) => Assert.Null(Validate(image));

    [Theory]
    [MemberData(nameof(Invalid))]
    public void A_reference_that_no_engine_takes_is_refused_and_the_field_is_named(string image, string mentions)
    {
        var error = Validate(image);
        Assert.Equal("spawn_config.executable.image", error?.Path);
        Assert.Contains(mentions, error!.Problem, StringComparison.Ordinal);
    }

    private static FieldError? Validate(string image) =>
        ConnectRules.Validate(new ConnectRequest { SpawnConfig = new SpawnConfig { Executable = new Executable { Image = image } } });
}
