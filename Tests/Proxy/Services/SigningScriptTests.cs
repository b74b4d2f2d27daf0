using System.Buffers.Text;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.Extensions.DependencyInjection;
using Plane.ProxyHost;
using Plane.ProxyHost.Signing;
using Plane.Testing;

namespace Plane.Tests.Proxy;

/// <summary>The scripts of docs/signed-entry.md sign tokens that a proxy takes.</summary>
public sealed class SigningScriptTests
{
    private static readonly byte[] s_secret = RandomNumberGenerator.GetBytes(32);

    [Fact]
    public async Task The_script_for_Node_signs()
    {
        using var directory = new TempDirectory();
        await File.WriteAllTextAsync(directory["sign.mjs"], await BlockAsync("sign.mjs"));
        var (code, lines) = await RunningProgram.RunAsync(
            "node", [directory["sign.mjs"]], environment: new Dictionary<string, string?> { ["KID"] = "k1", ["SECRET"] = Base64Url.EncodeToString(s_secret) });
        Assert.True(code == 0, string.Join('\n', lines));
        await AcceptedAsync(Assert.Single(lines));
    }

    [Fact]
    public async Task The_method_for_CSharp_signs_and_is_the_one_of_the_page()
    {
        await AcceptedAsync(SignEntry(
            "k1", Base64Url.EncodeToString(s_secret), new JsonObject { ["aud"] = "board", ["key"] = "room-1", ["sub"] = "ada", ["exp"] = DateTimeOffset.UtcNow.AddHours(1).ToUnixTimeSeconds() }));
        var shown = (await BlockAsync("Sign.cs")).Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        var source = (await File.ReadAllTextAsync(ThisFile())).Split('\n', StringSplitOptions.TrimEntries);
        var begin = Array.IndexOf(source, "private " + shown[0]);
        Assert.Equal(["private " + shown[0], .. shown[1..]], source[begin..(begin + shown.Length)]);
    }

    private static string SignEntry(string kid, string secret, JsonObject claims)
    {
        static string Encode(JsonObject value) => Base64Url.EncodeToString(Encoding.UTF8.GetBytes(value.ToJsonString()));
        var text = $"{Encode(new JsonObject { ["alg"] = "HS256", ["typ"] = "JWT", ["kid"] = kid })}.{Encode(claims)}";
        return $"{text}.{Base64Url.EncodeToString(HMACSHA256.HashData(Base64Url.DecodeFromChars(secret), Encoding.ASCII.GetBytes(text)))}";
    }

    private static string ThisFile([CallerFilePath] string path = "") => path;

    /// <summary>The block of the page that follows the comment with this name.</summary>
    private static async Task<string> BlockAsync(string name)
    {
        var page = await File.ReadAllTextAsync(Checkout.File("docs/signed-entry.md"));
        var after = page[page.IndexOf($"<!-- {name} -->", StringComparison.Ordinal)..];
        var block = after[(after.IndexOf("```", StringComparison.Ordinal) + 3)..];
        block = block[(block.IndexOf('\n', StringComparison.Ordinal) + 1)..];
        return block[..block.IndexOf("```", StringComparison.Ordinal)];
    }

    private static async Task AcceptedAsync(string token)
    {
        using var services = new ServiceCollection().AddMetrics().BuildServiceProvider();
        var verifier = new TokenVerifier(new ProxyOptions(), new ProxyMetrics(services.GetRequiredService<System.Diagnostics.Metrics.IMeterFactory>()), TimeProvider.System);
        var key = new SigningKey { Kid = "k1", Alg = SigningAlgorithm.HS256, Material = Base64Url.EncodeToString(s_secret) };
        var verification = await verifier.VerifyAsync(ServiceName.Parse("board"), VerificationKeys.From([key], VerificationKeys.None, _ => { }), token);
        Assert.Equal((TokenProblem.None, "ada", "room-1"), (verification.Problem, verification.Token?.Username, verification.Token?.KeyOf("room-1")?.Name));
    }
}
