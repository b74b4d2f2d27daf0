using Plane.DnsHost;

namespace Plane.Tests.Dns;

public sealed class DnsOptionsTests
{
    [Fact]
    public void A_zone_is_all_it_takes() => Assert.Empty(new DnsOptionsValidator().Problems(new DnsOptions { Zone = "acme.example.net" }));

    [Theory]
    [InlineData("--zone", "a..b")]
    [InlineData("--zone", "")]
    [InlineData("--zone", "exämple.net")]
    [InlineData("--host", "localhost")]
    [InlineData("--name-server", "ns1 example")]
    [InlineData("--name-server", "ns.acme.example.net=nowhere")]
    [InlineData("--name-server", "ns.example.org=192.0.2.1")]
    [InlineData("--hostmaster", "nobody")]
    [InlineData("--hostmaster", "@example.net")]
    [InlineData("--port", "65536")]
    [InlineData("--rate-limit", "-1")]
    [InlineData("--rate-slip", "-1")]
    [InlineData("--tcp-idle", "0")]
    [InlineData("--max-connections", "0")]
    [InlineData("--max-network-connections", "0")]
    [InlineData("--controller-timeout", "0")]
    public void A_bad_value_names_its_option(string option, string value)
    {
        var options = new DnsOptions { Zone = "acme.example.net" };
        int Number() => int.Parse(value, System.Globalization.CultureInfo.InvariantCulture);
        switch (option)
        {
            case "--zone": options.Zone = value; break;
            case "--host": options.Host = [value]; break;
            case "--name-server": options.NameServer = ["ns.example.org", value]; break;
            case "--hostmaster": options.Hostmaster = value; break;
            case "--port": options.Port = Number(); break;
            case "--rate-limit": options.RateLimit = Number(); break;
            case "--rate-slip": options.RateSlip = Number(); break;
            case "--tcp-idle": options.TcpIdle = TimeSpan.Zero; break;
            case "--max-connections": options.MaxConnections = Number(); break;
            case "--max-network-connections": options.MaxNetworkConnections = Number(); break;
            default: options.ControllerTimeout = TimeSpan.Zero; break;
        }

        Assert.StartsWith(option + " ", Assert.Single(new DnsOptionsValidator().Problems(options)), StringComparison.Ordinal);
    }
}
