using Microsoft.Extensions.Logging.Abstractions;
using Orleans.Runtime;
using Plane.Hosting.Cluster;
using Plane.Testing;
using Plane.Tests.Proxy;

namespace Plane.Tests.Cluster;

/// <summary>Which gateway a call goes over, with controllers that a test stops.</summary>
public sealed class GatewayChoiceTests
{
    private readonly Controllers _controllers = new();
    private readonly GatewayChoice<IReachable> _choice;

    public GatewayChoiceTests() => _choice = new GatewayChoice<IReachable>(way => _controllers.Of(way), TimeProvider.System, NullLogger.Instance);

    [Fact]
    public async Task A_call_that_a_stopped_controller_does_not_answer_is_made_over_another_gateway()
    {
        _controllers.Stopped = way => way % 2 == 0;
        var way = await Eventually.EndsAsync(CallAsync(), "the call is answered");
        Assert.Equal(1, way % 2);
        Assert.Equal([0, way], _controllers.Called);
    }

    [Fact]
    public async Task Keys_that_are_all_bound_to_the_stopped_controller_are_left_for_new_ones()
    {
        _controllers.Stopped = way => way < GrainKeys.Ways;
        Assert.InRange(await Eventually.EndsAsync(CallAsync(), "the call is answered"), GrainKeys.Ways, 2 * GrainKeys.Ways);
    }

    [Fact]
    public async Task The_next_calls_avoid_the_stopped_controller()
    {
        _controllers.Stopped = way => way % 2 == 0;
        var first = await Eventually.EndsAsync(CallAsync(), "the first call is answered");
        for (var i = 0; i < 3; i++)
        {
            Assert.Equal(first, await Eventually.EndsAsync(CallAsync(), "a later call is answered"));
        }
    }

    [Fact]
    public async Task A_controller_that_stops_just_after_an_answer_is_pinged_once_nothing_was_answered_for_as_long_as_a_call_waits()
    {
        var (time, span) = (new ManualTime(), TimeSpan.FromMilliseconds(150));
        var choice = new GatewayChoice<IReachable>(way => _controllers.Of(way), time, NullLogger.Instance);
        Task<int> CallAsync() => choice.CallAsync((grain, c) => ((Controller)grain).CallAsync(c), skip: 0, CancellationToken.None);
        _controllers.Stopped = way => way == 0;
        var call = CallAsync();
        time.Advance(span / 2);
        _controllers.Stopped = _ => false;
        await CallAsync();
        _controllers.Stopped = way => way == 0;

        time.Advance(span / 2);
        await Eventually.TrueAsync(() => time.LongPoll(span), "it is waited for the same time again");
        Assert.Empty(_controllers.Pings);
        time.Advance(span);
        Assert.NotEqual(0, await Eventually.EndsAsync(call, "the call is answered"));
    }

    [Fact]
    public async Task A_call_that_only_waits_long_is_made_once()
    {
        _controllers.Slow = new TaskCompletionSource();
        var call = CallAsync();
        await Eventually.TrueAsync(() => _controllers.Pings.Count >= 2, "the silence is looked into twice");
        _controllers.Slow.SetResult();
        Assert.Equal(0, await Eventually.EndsAsync(call, "the call is answered"));
        Assert.Equal([0], _controllers.Called);
        Assert.All(_controllers.Pings, way => Assert.Equal(0, way));
    }

    [Fact]
    public async Task Where_no_controller_answers_the_call_goes_on_waiting()
    {
        _controllers.Stopped = _ => true;
        _controllers.Slow = new TaskCompletionSource();
        var call = CallAsync();
        await Eventually.TrueAsync(() => _controllers.Pings.Distinct().Count() == GrainKeys.Ways, "other ways are tried");
        _controllers.Slow.SetResult();
        _controllers.Stopped = _ => false;
        Assert.Equal(0, await Eventually.EndsAsync(call, "the call is answered"));
        Assert.Equal([0], _controllers.Called);
    }

    [Fact]
    public async Task After_a_failure_the_next_call_goes_another_way()
    {
        _controllers.Failing = way => way == 0;
        await Assert.ThrowsAsync<InvalidOperationException>(CallAsync);
        Assert.Equal(1, await CallAsync());
    }

    [Fact]
    public async Task A_call_that_fails_for_want_of_the_database_is_made_again_over_a_gateway_that_has_it()
    {
        _controllers.WithoutDatabase = way => way % 2 == 0;
        var way = await CallAsync();
        Assert.Equal(1, way % 2);
        Assert.Equal([0, way], _controllers.Called);
    }

    [Fact]
    public async Task Where_no_controller_has_its_database_the_failure_is_told_and_pings_rest()
    {
        _controllers.WithoutDatabase = _ => true;
        await Assert.ThrowsAsync<OrleansException>(CallAsync);
        var pings = _controllers.Pings.Count;
        for (var i = 0; i < 20; i++)
        {
            await Assert.ThrowsAsync<OrleansException>(CallAsync);
        }

        // A check or two more, where the machine is slow.
        Assert.InRange(_controllers.Pings.Count, pings, 4 * pings);
    }

    [Fact]
    public async Task A_controller_that_does_not_know_the_ping_counts_as_alive()
    {
        _controllers.KnowsPing = false;
        _controllers.Slow = new TaskCompletionSource();
        var call = CallAsync();
        await Eventually.TrueAsync(() => _controllers.Pings.Count >= 2, "the silence is looked into twice");
        _controllers.Slow.SetResult();
        Assert.Equal(0, await Eventually.EndsAsync(call, "the call is answered"));
        Assert.All(_controllers.Pings, way => Assert.Equal(0, way));
    }

    [Fact]
    public async Task A_caller_that_leaves_ends_its_call()
    {
        _controllers.Slow = new TaskCompletionSource();
        using var leaving = new CancellationTokenSource();
        var call = _choice.CallAsync((grain, c) => ((Controller)grain).CallAsync(c), skip: 0, leaving.Token);
        await Eventually.TrueAsync(() => !_controllers.Called.IsEmpty, "it is called");
        await leaving.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call);
        await Eventually.TrueAsync(() => _controllers.Cancelled == 1, "the controller hears of it");
    }

    private Task<int> CallAsync() => _choice.CallAsync((grain, c) => ((Controller)grain).CallAsync(c), skip: 0, CancellationToken.None);

    private sealed class Controllers
    {
        private int _cancelled;

        public Func<int, bool> Stopped { get; set; } = _ => false;

        public Func<int, bool> Failing { get; set; } = _ => false;

        public Func<int, bool> WithoutDatabase { get; set; } = _ => false;

        public bool KnowsPing { get; set; } = true;

        public TaskCompletionSource? Slow { get; set; }

        public System.Collections.Concurrent.ConcurrentQueue<int> Called { get; } = [];

        public System.Collections.Concurrent.ConcurrentQueue<int> Pings { get; } = [];

        public int Cancelled => Volatile.Read(ref _cancelled);

        public Controller Of(int way) => new(this, way);

        public void Cancel() => Interlocked.Increment(ref _cancelled);
    }

    private sealed class Controller(Controllers all, int way) : IReachable
    {
        public async Task<int> CallAsync(CancellationToken cancellationToken)
        {
            all.Called.Enqueue(way);
            if (all.Failing(way))
            {
                throw new InvalidOperationException("failed for the test");
            }

            if (all.WithoutDatabase(way))
            {
                throw new OrleansException("the database is unavailable, retry: for the test");
            }

            try
            {
                if (all.Slow is { } slow)
                {
                    await slow.Task.WaitAsync(cancellationToken);
                }
                else if (all.Stopped(way))
                {
                    await Task.Delay(Timeout.Infinite, cancellationToken);
                }
            }
            catch (OperationCanceledException)
            {
                all.Cancel();
                throw;
            }

            return way;
        }

        public Task Ping(CancellationToken cancellationToken)
        {
            all.Pings.Enqueue(way);
            return !all.KnowsPing ? Task.FromException(new NotSupportedException("unknown to the test"))
                : all.WithoutDatabase(way) ? Task.FromException(new OrleansException("the database is unavailable, retry: for the test"))
                : all.Stopped(way) ? Task.FromException(new SiloUnavailableException("stopped for the test"))
                : Task.CompletedTask;
        }
    }
}
