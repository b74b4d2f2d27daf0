using Microsoft.Extensions.Logging.Abstractions;
using Plane.ProxyHost;
using Plane.ProxyHost.Services;

namespace Plane.Tests.Proxy;

public sealed class ServiceDirectoryTests
{
    [Fact]
    public async Task Questions_for_names_that_visitors_invent_are_bounded_while_no_controller_answers()
    {
        var controller = new FakeController();
        var answer = new TaskCompletionSource<ServiceAccessInfo?>(TaskCreationOptions.RunContinuationsAsynchronously);
        controller.Services.OnRead = _ => answer.Task;
        var directory = new ServiceDirectory(new ProxyOptions { Cluster = TestProxy.Cluster }, controller, new ManualTime(), NullLogger<ServiceDirectory>.Instance);
        async Task<ServiceOutcome> FindAsync(string name) => (await directory.FindAsync(ServiceName.Parse(name), default)).Outcome;

        var asked = Enumerable.Range(0, 1_000).Select(i => FindAsync($"invented-{i}")).ToArray();
        Assert.Equal(ServiceOutcome.Unavailable, await FindAsync("one-more"));

        answer.SetResult(null);
        Assert.All(await Task.WhenAll(asked), outcome => Assert.Equal(ServiceOutcome.None, outcome));
        Assert.Equal(ServiceOutcome.None, await FindAsync("one-more"));
    }
}
