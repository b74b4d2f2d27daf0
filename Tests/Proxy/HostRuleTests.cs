using Plane.ProxyHost.Forwarding;

namespace Plane.Tests.Proxy;

public sealed class HostRuleTests
{
    [Theory]
    [InlineData("cluster.test", "cluster.test", true)]
    [InlineData("cluster.test", "cluster.test:443", true)]
    [InlineData("cluster.test", "cluster.test:80", false)]
    [InlineData("cluster.test:80", "cluster.test", true)]
    [InlineData("cluster.test:80", "cluster.test:80", true)]
    [InlineData("cluster.test:80", "cluster.test:8080", false)]
    [InlineData("cluster.test:8080", "cluster.test", false)]
    public void The_port_may_be_left_out_where_clients_do(string cluster, string host, bool matches) =>
        Assert.Equal(matches, new HostMatcher(ClusterName.Parse(cluster)).Matches(host, out _));
}
