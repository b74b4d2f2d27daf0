using System.Text.RegularExpressions;
using Plane.Testing;

namespace Plane.Tests.Dns;

/// <summary>
/// dig, kdig and drill, three readers that nobody here wrote, agree on what the answers say. Where one is truncated dig and kdig come back over TCP by
/// themselves; drill is told to.
/// </summary>
public sealed class AskingProgramsTests : IAsyncLifetime
{
    private DnsServer _server = null!;

    public async Task InitializeAsync()
    {
        _server = await DnsServer.StartAsync();
        _server.Controller.Set("example.com", "value-a", "value-b");
        _server.Controller.Set("many.example", [.. Enumerable.Range(0, 14).Select(i => $"{i:00}".PadRight(250, 'x'))]);
    }

    public Task DisposeAsync() => _server.DisposeAsync().AsTask();

    [Theory]
    [InlineData("example.com.acme.test", "TXT", "NOERROR", 2)]
    [InlineData("EXAMPLE.Com.acme.TEST", "TXT", "NOERROR", 2)]
    [InlineData("many.example.acme.test", "TXT", "NOERROR", 14)]
    [InlineData("acme.test", "SOA", "NOERROR", 1)]
    [InlineData("acme.test", "NS", "NOERROR", 2)]
    [InlineData("ns.acme.test", "AAAA", "NOERROR", 1)]
    [InlineData("example.com.acme.test", "CAA", "NOERROR", 0)]
    [InlineData("_nope.acme.test", "TXT", "NXDOMAIN", 0)]
    [InlineData("example.org", "TXT", "REFUSED", 0)]
    public async Task They_read_the_same(string name, string type, string status, int answers)
    {
        var port = $"{_server.At.Port}";
        var seen = await Task.WhenAll(
            AskAsync("dig", "@127.0.0.1", "-p", port, name, type, "+norecurse", "+tries=1", "+time=15"),
            AskAsync("dig", "@127.0.0.1", "-p", port, name, type, "+norecurse", "+tcp", "+tries=1", "+time=15"),
            AskAsync("kdig", "@127.0.0.1", "-p", port, name, type, "+norecurse", "+timeout=15"),
            AskAsync("drill", [.. answers > 4 ? ["-t"] : Array.Empty<string>(), "-p", port, "-o", "rd", name, "@127.0.0.1", type]));
        Assert.All(seen, s => Assert.Equal((status, answers), (s.Status, s.Records.Length)));
        Assert.All(seen, s => Assert.Equal(seen[0].Records, s.Records));
        Assert.All(seen, s => Assert.DoesNotContain(s.Text, l => (l.Contains("WARNING", StringComparison.OrdinalIgnoreCase) && !l.Contains("truncated", StringComparison.Ordinal)) || l.Contains("malformed", StringComparison.OrdinalIgnoreCase)));
    }

    [Fact]
    public async Task An_unknown_edns_version_and_cookies_are_understood()
    {
        var port = $"{_server.At.Port}";
        Assert.Equal("BADVERS", (await AskAsync("kdig", "@127.0.0.1", "-p", port, "acme.test", "SOA", "+edns=1", "+timeout=15")).Status);
        Assert.Equal("NOERROR", (await AskAsync("dig", "@127.0.0.1", "-p", port, "acme.test", "SOA", "+cookie", "+nsid", "+dnssec", "+tries=1", "+time=15")).Status);
    }

    private static async Task<(string Status, string[] Records, IReadOnlyList<string> Text)> AskAsync(string program, params string[] arguments)
    {
        var (code, lines) = await RunningProgram.RunAsync(program, arguments);
        Assert.True(code == 0, $"{program} exited with {code}:\n{string.Join('\n', lines)}");
        var status = lines.Select(l => Regex.Match(l, @"(?:status|rcode): (\w+)")).First(m => m.Success).Groups[1].Value;
        var section = lines.SkipWhile(l => !l.Contains("ANSWER SECTION", StringComparison.Ordinal)).Skip(1).TakeWhile(l => l.Length > 0 && !l.StartsWith(";;", StringComparison.Ordinal));
        return (status, [.. section.Select(l => Regex.Replace(l, @"\s+", " ").Trim().ToLowerInvariant()).Order(StringComparer.Ordinal)], lines);
    }
}
