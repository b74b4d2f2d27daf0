using System.Text.Json.Nodes;
using Plane.ProxyHost.Certificates;
using Plane.Testing;
using Plane.Tests.Tls;

namespace Plane.Tests.Acme;

/// <summary>An authority that answers nonsense about when to renew: the proxy continues with what it has.</summary>
public sealed class RenewalInfoTests : IDisposable
{
    private const string Cluster = "renewal.example.test";

    private readonly TestAuthority _authority = new();
    private readonly TempDirectory _directory = new();

    public void Dispose()
    {
        _authority.Dispose();
        _directory.Dispose();
    }

    [Theory]
    [InlineData("renewal")]
    [InlineData("//")]
    [InlineData("")]
    [InlineData("http://127.0.0.1:1/renewal")]
    [InlineData("/html")]
    [InlineData("/junk")]
    [InlineData("/reversed")]
    public async Task Nonsense_about_renewal_is_told_and_survived(string address)
    {
        await using var front = await CaFront.StartAsync(null);
        front.Before = call =>
        {
            if (call.Path == "/dir")
            {
                var directory = JsonNode.Parse(Hostile.Directory(front.Directory))!;
                directory["renewalInfo"] = address.StartsWith('/') && address.Length > 2 ? new Uri(front.Directory, address).AbsoluteUri : address;
                return call.AnswerAsync(200, "application/json", directory.ToJsonString());
            }

            return address switch
            {
                "/html" => call.AnswerAsync(200, "text/html", "<html>"),
                "/junk" => call.AnswerAsync(200, "application/json", "{\"suggestedWindow\": 7}"),
                _ => call.AnswerAsync(200, "application/json", """{"suggestedWindow":{"start":"2030-01-02T00:00:00Z","end":"2030-01-01T00:00:00Z"}}"""),
            };
        };
        var issued = _authority.Issue([Cluster, "*." + Cluster]);
        await File.WriteAllTextAsync(_directory["cert"], issued.ChainPem);
        await File.WriteAllTextAsync(_directory["key"], issued.KeyPem);
        new CertificateDirectory(_directory["certs"], ClusterName.Parse(Cluster), TimeProvider.System).Import(_directory["cert"], _directory["key"], null);
        await using var proxy = await TlsProxy.StartAsync(Cluster, Pebble.Options(front.Directory, _directory["certs"]));
        await Eventually.SeenAsync(
            () => string.Join('\n', proxy.Log.Lines.Where(l => l.Contains(" 671", StringComparison.Ordinal))),
            l => l.Contains(" 6718 ", StringComparison.Ordinal),
            "the log tells that the authority did not say when to renew");
        using var shown = await proxy.HandshakeAsync();
        Assert.Equal(issued.Leaf.SerialNumber, shown.SerialNumber);
    }
}
