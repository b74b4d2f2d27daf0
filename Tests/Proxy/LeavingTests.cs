using Plane.ProxyHost.Routes;
using Plane.Testing;

namespace Plane.Tests.Proxy;

/// <summary>A client that leaves ends its look-up.</summary>
public sealed class LeavingTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_look_up_ends_with_its_last_client(bool atThatMoment)
    {
        await using var proxy = await TestProxy.StartAsync();
        using var client = new CancellationTokenSource();
        var over = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        proxy.Controller.OnResolve = atThatMoment ? FailNow : FailLaterAsync;
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => proxy.Service<RouteResolver>().ResolveAsync(BearerToken.NewRandom(), fresh: true, client.Token));
        await Eventually.EndsAsync(over.Task, "the call fails");

        Task<RouteReply> FailNow(BearerToken token, TimeSpan wait, CancellationToken cancellationToken)
        {
            client.Cancel();
            cancellationToken.WaitHandle.WaitOne();
            over.TrySetResult();
            throw new Orleans.Runtime.SiloUnavailableException("gone");
        }

        async Task<RouteReply> FailLaterAsync(BearerToken token, TimeSpan wait, CancellationToken cancellationToken)
        {
            var left = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            await using var registration = cancellationToken.Register(left.SetResult);
            await client.CancelAsync();
            await left.Task;
            over.TrySetResult();
            throw new Orleans.Runtime.SiloUnavailableException("gone");
        }
    }
}
