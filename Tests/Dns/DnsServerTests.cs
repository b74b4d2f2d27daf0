using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Plane.Client;
using Plane.Hosting.Cluster;
using Plane.Tests.EndToEnd;
using Plane.Testing;

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
        _server = await plane.StartAsync("dns", ["dns", "--gateway", plane.Gateway, "--zone", Zone, "--host", "127.0.0.1", "--port", "0", "--controller-timeout", "10s", "--name-server", $"ns.{Zone}=192.0.2.53"]);
        _port = int.Parse((await _server.WaitForLineAsync(@"^ready dns .*port=(\d+)")).Groups[1].Value, System.Globalization.CultureInfo.InvariantCulture);
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.AddPlaneClusterConnection(new ClusterClientOptions { Endpoints = [plane.Gateway] });
        _client = builder.Build();
        await _client.StartAsync();

        // It says that it is ready when it answers, which it does before a controller has: then with SERVFAIL.
        await Eventually.SeenAsync(
            async _ => await AskAsync($"{Cluster()}.{Zone}", "TXT"), a => !a.Contains("status: SERVFAIL", StringComparison.Ordinal), "a controller was met");
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
    public async Task The_zone_has_the_name_servers_that_the_command_line_gives()
    {
        Assert.Contains("hostmaster.acme.test.", await AskAsync("acme.test", "SOA"), StringComparison.Ordinal);
        var answer = await AskAsync("acme.test", "NS");
        Assert.Contains("ns.acme.test.", answer, StringComparison.Ordinal);
        Assert.Contains("192.0.2.53", answer, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_operator_sets_values_by_hand_that_are_answered_listed_and_cleared()
    {
        var cluster = Cluster();
        var (code, lines) = await plane.PlaneAsync("dns", "txt", "set", "--cluster", cluster, "first-value");
        Assert.True(code == 0, string.Join('\n', lines));
        Assert.StartsWith("operator\tfirst-value\t", Assert.Single(lines), StringComparison.Ordinal);

        // As a hook of another ACME client does for a name and its wildcard: the second value must not replace the first.
        (code, lines) = await plane.PlaneAsync("dns", "txt", "set", "--cluster", cluster, "--add", "--", "-second-value");
        Assert.True(code == 0, string.Join('\n', lines));
        Assert.Equal(2, lines.Count);
        await Eventually.SeenAsync(
            async _ => await AskAsync($"{cluster}.{Zone}", "TXT"),
            a => a.Contains("\"first-value\"", StringComparison.Ordinal) && a.Contains("\"-second-value\"", StringComparison.Ordinal),
            "both values");
        var listed = await plane.PlaneJsonAsync("dns", "txt", "list", "--cluster", cluster);
        Assert.Equal("operator", (string?)listed["owners"]![0]!["owner"]);
        Assert.InRange((double)listed["owners"]![0]!["expires_in"]!, 500, 600);
        Assert.Equal(0, (await plane.PlaneAsync("dns", "txt", "clear", "--cluster", cluster)).ExitCode);
        await Eventually.SeenAsync(
            async _ => await AskAsync($"{cluster}.{Zone}", "TXT"), a => !a.Contains("first-value", StringComparison.Ordinal), "the values are gone");
    }

    [Fact]
    public async Task A_value_that_no_record_holds_is_refused_with_what_to_do()
    {
        var (code, lines) = await plane.PlaneAsync("dns", "txt", "set", "--cluster", Cluster(), new string('x', 256));
        Assert.Equal(1, code);
        Assert.Contains(lines, l => l.Contains("holds 255", StringComparison.Ordinal) && l.Contains("set the value that the ACME client shows", StringComparison.Ordinal));
        (code, lines) = await plane.PlaneAsync("dns", "txt", "set", "--cluster", "localhost:9090", "x");
        Assert.Equal(1, code);
        Assert.Contains(lines, l => l.Contains("has no DNS form", StringComparison.Ordinal));
    }

    private static string Cluster() => $"c{Guid.NewGuid():N}.example.com";

    private async Task SetAsync(string cluster, string owner, params string[] values) =>
        Assert.Null(await Eventually.SeenAsync(
            async _ => await _client.Services.GetRequiredService<ClusterConnection>()
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
