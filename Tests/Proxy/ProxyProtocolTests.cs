using System.Buffers;
using System.Text;
using FsCheck.Xunit;
using Plane.ProxyHost.ProxyProtocol;

namespace Plane.Tests.Proxy;

/// <summary>Clients' addresses behind a balancer that passes TCP on.</summary>
public sealed class ProxyProtocolTests
{
    private const string Request = "GET /TOKEN/ HTTP/1.1\r\nHost: cluster.test:4321\r\nConnection: close\r\n\r\n";

    [Theory]
    [InlineData("PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n", "192.0.2.7")]
    [InlineData("PROXY TCP6 2001:db8::7 2001:db8::1 56324 443\r\n", "2001:db8::7")]
    [InlineData("PROXY UNKNOWN\r\n", "127.0.0.1")]
    [InlineData("PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n", "127.0.0.1")]
    public async Task The_line_of_version_1_says_who_the_client_is(string header, string client) => Assert.Equal(client, await SeenAsync(Encoding.ASCII.GetBytes(header)));

    [Theory]
    [InlineData(0x21, 0x11, "c0000207 c6336401 dc04 01bb", "192.0.2.7")]
    [InlineData(0x21, 0x21, "20010db8000000000000000000000007 20010db8000000000000000000000001 dc04 01bb", "2001:db8::7")]
    [InlineData(0x21, 0x11, "c0000207 c6336401 dc04 01bb 04 0003 616263 20 0001 00", "192.0.2.7")]
    [InlineData(0x20, 0x00, "", "127.0.0.1")]
    [InlineData(0x20, 0x11, "c0000207 c6336401 dc04 01bb", "127.0.0.1")]
    [InlineData(0x21, 0x00, "", "127.0.0.1")]
    [InlineData(0x21, 0x12, "c0000207 c6336401 dc04 01bb", "127.0.0.1")]
    public async Task The_header_of_version_2_says_who_the_client_is(int command, int family, string payload, string client) =>
        Assert.Equal(client, await SeenAsync(Binary(command, family, payload)));

    [Fact]
    public async Task A_header_that_comes_byte_by_byte_is_read()
    {
        await using var backend = RawBackend.Answering();
        await using var proxy = await StartAsync();
        using var client = await proxy.ConnectAsync();
        foreach (var one in Binary(0x21, 0x11, "c0000207 c6336401 dc04 01bb"))
        {
            await client.Connection.Socket.SendAsync(new[] { one });
        }

        await client.TalkAsync(Request.Replace("TOKEN", proxy.Route(backend.Address).Value, StringComparison.Ordinal));
        Assert.Contains("x-forwarded-for: 192.0.2.7\r\n", Assert.Single(backend.Requests), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("GET / HTTP/1.1\r\n")]
    [InlineData("PROXY TCP4 192.0.2.7 198.51.100.1 56324\r\n")]
    [InlineData("PROXY TCP4 192.0.2.7 198.51.100.1 56324 443 \r\n")]
    [InlineData("PROXY  TCP4 192.0.2.7 198.51.100.1 56324 443\r\n")]
    [InlineData("PROXY TCP4 2001:db8::7 2001:db8::1 56324 443\r\n")]
    [InlineData("PROXY TCP6 192.0.2.7 198.51.100.1 56324 443\r\n")]
    [InlineData("PROXY TCP4 192.0.2.07 198.51.100.1 56324 443\r\n")]
    [InlineData("PROXY TCP4 1 198.51.100.1 56324 443\r\n")]
    [InlineData("PROXY TCP4 0x7f.1 198.51.100.1 56324 443\r\n")]
    [InlineData("PROXY TCP6 fe80::1%eth0 2001:db8::1 56324 443\r\n")]
    [InlineData("PROXY TCP4 192.0.2.7 198.51.100.1 65536 443\r\n")]
    [InlineData("PROXY TCP4 192.0.2.7 198.51.100.1 -1 443\r\n")]
    [InlineData("PROXY TCP4 192.0.2.7 198.51.100.1 056324 443\r\n")]
    [InlineData("PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\n")]
    [InlineData("PROXY UDP4 192.0.2.7 198.51.100.1 56324 443\r\n")]
    [InlineData("proxy TCP4 192.0.2.7 198.51.100.1 56324 443\r\n")]
    [InlineData("PROXY UNKNOWN aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n")]
    [InlineData("\r\n\r\n\0\r\nQUIT\n\u0011\u0011\0\u000c")]
    [InlineData("\r\n\r\n\0\r\nQUIT\n\u0022\u0011\0\u000c")]
    [InlineData("\r\n\r\n\0\r\nQUIT\n\u0021\u0011\0\u0003abc")]
    [InlineData("\r\n\r\n\0\r\nQUIT\n\u0021\u0041\0\0")]
    [InlineData("\r\n\r\n\0\r\nQUIT\n\u0021\u0011\u007f\0")]
    public async Task What_is_not_a_header_closes_the_connection_of_a_trusted_proxy(string sent)
    {
        await using var backend = RawBackend.Answering();
        await using var proxy = await StartAsync();
        using var client = await proxy.ConnectAsync();
        var request = Request.Replace("TOKEN", proxy.Route(backend.Address).Value, StringComparison.Ordinal);
        Assert.Equal("", await client.TalkAsync(sent + request));
        Assert.Empty(backend.Requests);
    }

    [Fact]
    public async Task A_client_outside_the_trusted_networks_says_nothing_of_itself()
    {
        await using var backend = RawBackend.Answering();
        await using var proxy = await StartAsync("10.0.0.0/8", "2001:db8::/32");
        var request = Request.Replace("TOKEN", proxy.Route(backend.Address).Value, StringComparison.Ordinal);
        using var liar = await proxy.ConnectAsync();
        Assert.StartsWith("HTTP/1.1 400 ", await liar.TalkAsync("PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n" + request), StringComparison.Ordinal);
        using var client = await proxy.ConnectAsync();
        Assert.StartsWith("HTTP/1.1 200 ", await client.TalkAsync(request), StringComparison.Ordinal);
        Assert.Contains("x-forwarded-for: 127.0.0.1\r\n", Assert.Single(backend.Requests), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true, new string[0], "--proxy-protocol")]
    [InlineData(true, new[] { "10.0.0.0/33" }, "--trusted-proxies")]
    [InlineData(false, new[] { "x" }, "--trusted-proxies")]
    [InlineData(true, new[] { "10.0.0.0/8", "::1/128" }, null)]
    public void The_option_needs_networks(bool proxyProtocol, string[] networks, string? problem)
    {
        var options = new Plane.ProxyHost.ProxyOptions { Cluster = "example.com", ProxyProtocol = proxyProtocol, TrustedProxies = networks };
        Assert.Equal(problem, new Plane.ProxyHost.ProxyOptionsValidator().Problems(options).SingleOrDefault()?.Split(' ')[0]);
    }

    [Property(MaxTest = 5_000)]
    public void Whatever_comes_is_read_within_its_bounds(byte[] random, int at, byte value, bool binary)
    {
        var valid = binary ? Binary(0x21, 0x11, "c0000207 c6336401 dc04 01bb 04 0003 616263") : Encoding.ASCII.GetBytes("PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n");
        var changed = (byte[])valid.Clone();
        changed[(int)((uint)at % changed.Length)] = value;
        foreach (var bytes in new[] { random, [.. valid, .. random], changed, [.. changed, .. random], valid[..(int)((uint)at % valid.Length)] })
        {
            var sequence = new ReadOnlySequence<byte>(bytes);
            var outcome = ProxyHeader.TryRead(sequence, out var header, out var end);
            var length = sequence.Slice(0, end).Length;
            Assert.True(outcome == ProxyHeaderOutcome.Valid ? length > 0 : length == 0 && header == default);
            Assert.True(outcome != ProxyHeaderOutcome.Incomplete || bytes.Length < 4096);
            if (outcome == ProxyHeaderOutcome.Valid)
            {
                // What follows the header changes nothing of it.
                Assert.Equal(outcome, ProxyHeader.TryRead(sequence.Slice(0, end), out var again, out _));
                Assert.Equal(header, again);
            }
        }
    }

    private static byte[] Binary(int command, int family, string payload)
    {
        var rest = Convert.FromHexString(payload.Replace(" ", "", StringComparison.Ordinal));
        return [.. "\r\n\r\n\0\r\nQUIT\n"u8, (byte)command, (byte)family, (byte)(rest.Length >> 8), (byte)rest.Length, .. rest];
    }

    private static Task<TestProxy> StartAsync(params string[] networks) => TestProxy.StartAsync(o =>
    {
        o.ProxyProtocol = true;
        o.TrustedProxies = networks is [] ? ["127.0.0.0/8"] : networks;
    });

    private static async Task<string> SeenAsync(byte[] header)
    {
        await using var backend = RawBackend.Answering();
        await using var proxy = await StartAsync();
        using var client = await proxy.ConnectAsync();
        await client.Connection.Socket.SendAsync(header);
        var answer = await client.TalkAsync(Request.Replace("TOKEN", proxy.Route(backend.Address).Value, StringComparison.Ordinal));
        Assert.StartsWith("HTTP/1.1 200 ", answer, StringComparison.Ordinal);
        var line = Assert.Single(Assert.Single(backend.Requests).Split("\r\n"), l => l.StartsWith("x-forwarded-for: ", StringComparison.Ordinal));
        return line["x-forwarded-for: ".Length..];
    }
}
