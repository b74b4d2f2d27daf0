using Microsoft.Extensions.DependencyInjection;
using Plane.Hosting;

namespace Plane.Tests.Engine;

/// <summary>What the hosts' wiring adds to each end, for clusters that tests make by themselves.</summary>
internal static class ProbeEngine
{
    public static void Configure(IServiceCollection services) => services.KeepExceptions();
}
