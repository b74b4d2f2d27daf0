using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Orleans;
using Plane.Hosting;
using Plane.Tests.EndToEnd;
using Plane.Tests.Support;

namespace Plane.Tests.Dns;

/// <summary>The DNS server as a process of its own, asked by kdig; its values are set through a cluster client.</summary>
[Collection(InstallationTests.Name)]
public sealed class DnsServerTests(Installation plane) : IAsyncLifetime, IDisposable
{
    private const string Zone = "acme.test";

    private RunningProgram _server = null!;
    private IHost _client = null!;
    private int _port;

    public async Task InitializeAsync()
    {
        _server = await plane.StartAsync("dns", ["dns", "--gateway", plane.Gateway, "--zone", Zone, "--host", "127.0.0.1", "--port", "0", "--controller-timeout", "10s"]);
        _port = int.Parse((await _server.WaitForLineAsync(@"^ready dns .*port=(\d+)")).Groups[1].Value, System.Globalization.CultureInfo.InvariantCulture);
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.AddPlaneClusterClient(new GatewayOptions { Endpoints = [plane.Gateway] });
        _client = builder.Build();
        await _client.StartAsync();
    }

    public async Task DisposeAsync()
    {
        await _client.StopAsync();
        Assert.Equal(0, await _server.StopAsync());
        await _server.DisposeAsync();
    }

    public void Dispose() => _client.Dispose();

    [Theory]
    [InlineData("+notcp")]
    [InlineData("+tcp")]
    public async Task Txt_values_of_all_owners_are_answered(string transport)
    {
        var cluster = Cluster();
        await SetAsync(cluster, "px-a", "value-a");
        await SetAsync(cluster, "px-b", "value-b");
        var answer = await AskAsync($"{cluster.ToUpperInvariant()}.ACME.test", "TXT", transport);
        Assert.Contains("status: NOERROR", answer, StringComparison.Ordinal);
        Assert.Contains("\"value-a\"", answer, StringComparison.Ordinal);
        Assert.Contains("\"value-b\"", answer, StringComparison.Ordinal);
        Assert.Matches(@"\s1\s+IN\s+TXT", answer);
    }

    [Fact]
    public async Task A_cleared_value_is_gone_within_the_answers_own_lifetime()
    {
        var cluster = Cluster();
        await SetAsync(cluster, "px-a", "short-lived");
        Assert.Contains("short-lived", await AskAsync($"{cluster}.{Zone}", "TXT"), StringComparison.Ordinal);
        await SetAsync(cluster, "px-a");
        await Eventually.SeenAsync(
            async _ => await AskAsync($"{cluster}.{Zone}", "TXT"), a => !a.Contains("short-lived", StringComparison.Ordinal), "the value is gone");
    }

    [Fact]
    public async Task Values_that_do_not_fit_a_datagram_are_truncated_whole_and_complete_over_tcp()
    {
        var cluster = Cluster();
        await SetAsync(cluster, "px-a", [.. Enumerable.Range(0, 10).Select(i => $"{i}-".PadRight(200, 'x'))]);
        var truncated = await AskAsync($"{cluster}.{Zone}", "TXT", "+notcp", "+ignore", "+bufsize=512");
        Assert.Matches(@"Flags:.* tc", truncated);
        Assert.DoesNotContain("xxx", truncated, StringComparison.Ordinal);
        Assert.Equal(10, (await AskAsync($"{cluster}.{Zone}", "TXT", "+tcp")).Split("xxx\"").Length - 1);
    }

    [Theory]
    [InlineData("acme.test", "SOA", "NOERROR", "hostmaster.acme.test.")]
    [InlineData("acme.test", "NS", "NOERROR", "ns.acme.test.")]
    [InlineData("nobody.example.acme.test", "TXT", "NOERROR", "SOA")]
    [InlineData("nobody.example.acme.test", "A", "NOERROR", "SOA")]
    [InlineData("_nope.acme.test", "TXT", "NXDOMAIN", "SOA")]
    [InlineData("example.org", "TXT", "REFUSED", "")]
    public async Task Other_questions_get_the_answer_of_their_kind(string name, string type, string status, string mentions)
    {
        var answer = await AskAsync(name, type);
        Assert.Contains($"status: {status}", answer, StringComparison.Ordinal);
        Assert.Contains(mentions, answer, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_question_comes_back_in_the_case_it_was_asked_in()
    {
        byte[] question = [0xAB, 0xCD, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 4, .. "AcMe"u8, 4, .. "tEsT"u8, 0, 0, 6, 0, 1];
        using var socket = new UdpClient();
        socket.Connect(IPAddress.Loopback, _port);
        await socket.SendAsync(question);
        var answer = (await Eventually.EndsAsync(socket.ReceiveAsync(), "an answer")).Buffer;
        Assert.Equal(question[..2], answer[..2]);
        Assert.Equal(question[12..], answer[12..question.Length]);
    }

    [Fact]
    public async Task An_unknown_edns_version_is_told_so()
    {
        Assert.Contains("status: BADVERS", await AskAsync($"x.{Zone}", "TXT", "+edns=1"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Junk_is_survived_and_never_answered_by_more_than_it_may_be()
    {
        using var socket = new UdpClient();
        socket.Connect(IPAddress.Loopback, _port);
        var random = new Random(20250607);
        for (var i = 0; i < 2_000; i++)
        {
            var packet = new byte[random.Next(0, 600)];
            random.NextBytes(packet);
            if (i % 2 == 0 && packet.Length > 20)
            {
                // A plausible head, so that the rest is read.
                new byte[] { 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1 }.CopyTo(packet, 0);
            }

            await socket.SendAsync(packet);
        }

        var cluster = Cluster();
        await SetAsync(cluster, "px-a", "still-here");
        Assert.Contains("still-here", await AskAsync($"{cluster}.{Zone}", "TXT", "+retry=5"), StringComparison.Ordinal);
        while (socket.Available > 0)
        {
            var answer = await socket.ReceiveAsync();
            Assert.InRange(answer.Buffer.Length, 12, 1232);
        }
    }

    private static string Cluster() => $"c{Guid.NewGuid():N}.example.com";

    private async Task SetAsync(string cluster, string owner, params string[] values) =>
        Assert.Null(await Eventually.SeenAsync(
            async _ => await _client.Services.GetRequiredService<IGrainFactory>()
                .GetGrain<ICertificateGrain>(GrainKeys.Certificate(ClusterName.Parse(cluster)))
                .SetTxt(ClusterName.Parse(cluster), new TxtValues { Owner = owner, Values = values }, CancellationToken.None),
            _ => true,
            "the controller answers"));

    private async Task<string> AskAsync(string name, string type, params string[] options)
    {
        var (code, lines) = await RunningProgram.RunAsync("kdig", ["@127.0.0.1", "-p", $"{_port}", name, type, "+timeout=15", .. options]);
        Assert.True(code == 0, string.Join('\n', lines));
        return string.Join('\n', lines);
    }
}
