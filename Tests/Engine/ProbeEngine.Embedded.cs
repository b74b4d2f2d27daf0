using Microsoft.Extensions.DependencyInjection;

namespace Plane.Tests.Engine;

/// <summary>What the hosts' wiring adds to each end, for clusters that tests make by themselves: nothing here.</summary>
internal static class ProbeEngine
{
    public static void Configure(IServiceCollection services) => Assert.NotNull(services);
}
