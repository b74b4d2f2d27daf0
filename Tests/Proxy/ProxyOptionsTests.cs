using System.ComponentModel;
using System.Reflection;
using Plane.ProxyHost;

namespace Plane.Tests.Proxy;

/// <summary>A bad option names itself.</summary>
public sealed class ProxyOptionsTests
{
    [Fact]
    public void The_defaults_lack_the_cluster_alone() => Assert.StartsWith("--cluster", Assert.Single(new ProxyOptionsValidator().Problems(new ProxyOptions())), StringComparison.Ordinal);

    [Fact]
    public void Each_flag_says_what_it_does() =>
        Assert.All(typeof(ProxyOptions).GetProperties(), p => Assert.NotEmpty(p.GetCustomAttribute<DescriptionAttribute>()?.Description ?? ""));

    [Fact]
    public void Each_bad_value_is_named()
    {
        var options = new ProxyOptions
        {
            Cluster = "not a host",
            Name = "dr-x",
            Host = "a host name",
            Port = 70000,
            RootRedirectUrl = "/relative",
            RouteCacheSize = 0,
            Drain = TimeSpan.Zero,
            RouteTrust = TimeSpan.FromMinutes(9),
        };
        Assert.Equal(
            ["--cluster", "--name", "--host", "--port", "--root-redirect-url", "--route-cache-size", "--drain", "--route-trust"],
            new ProxyOptionsValidator().Problems(options).Select(p => p.Split(' ')[0]));
        Assert.Throws<Microsoft.Extensions.Options.OptionsValidationException>(() => ProxyRole.Build(options, _ => { }));
    }
}
