using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using Plane.Proxy.Routes;
using Plane.Tests.Support;

namespace Plane.Tests.Proxy;

/// <summary>A client that leaves leaves nothing behind: a failure that nobody waits for would end the program.</summary>
public sealed class LeavingTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_look_up_that_fails_as_its_last_client_leaves_fails_nobody(bool atThatMoment)
    {
        var mark = Guid.NewGuid().ToString("N");
        var unseen = new ConcurrentQueue<string>();
        void Note(object? sender, UnobservedTaskExceptionEventArgs e)
        {
            if (e.Exception.ToString().Contains(mark, StringComparison.Ordinal))
            {
                unseen.Enqueue(e.Exception.ToString());
            }
        }

        TaskScheduler.UnobservedTaskException += Note;
        try
        {
            await using var proxy = await TestProxy.StartAsync();
            await LeaveAsync(proxy, mark, atThatMoment);
            for (var i = 0; i < 3; i++)
            {
                GC.Collect();
                GC.WaitForPendingFinalizers();
            }

            Assert.Empty(unseen);
        }
        finally
        {
            TaskScheduler.UnobservedTaskException -= Note;
        }
    }

    // Of its own, so that nothing here keeps the look-up from being collected.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static async Task LeaveAsync(TestProxy proxy, string mark, bool atThatMoment)
    {
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
            throw new Orleans.Runtime.SiloUnavailableException(mark);
        }

        async Task<RouteReply> FailLaterAsync(BearerToken token, TimeSpan wait, CancellationToken cancellationToken)
        {
            var left = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            await using var registration = cancellationToken.Register(left.SetResult);
            await client.CancelAsync();
            await left.Task;
            over.TrySetResult();
            throw new Orleans.Runtime.SiloUnavailableException(mark);
        }
    }
}
