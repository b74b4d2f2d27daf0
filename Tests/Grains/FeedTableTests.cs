using Orleans.Runtime;
using Plane.Grains.Feed;
using Plane.Testing;

namespace Plane.Tests.Grains;

public sealed class FeedTableTests
{
    private static readonly TimeSpan Long = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan Short = TimeSpan.FromMilliseconds(1);

    private readonly FeedTable _table = new(TimeProvider.System, 1_000);
    private readonly Topic _topic = Topic.Backend(BackendName.NewRandom());

    [Fact]
    public async Task A_signal_ends_the_wait_of_every_subscriber_of_its_topic_alone()
    {
        using var a = _table.Subscribe(_topic);
        using var b = _table.Subscribe(_topic);
        using var other = _table.Subscribe(Topic.Any);
        var waits = new[] { a.WaitAsync(Long, default), b.WaitAsync(Long, default) };
        var stillWaiting = other.WaitAsync(Long, default);

        _table.Signal([_topic]);

        Assert.All(await Eventually.EndsAsync(Task.WhenAll(waits), "both waits"), Assert.True);
        Assert.False(stillWaiting.IsCompleted);
        _table.Close();
        Assert.False(await stillWaiting);
    }

    [Fact]
    public async Task A_signal_between_subscribing_and_waiting_is_not_lost()
    {
        using var subscription = _table.Subscribe(_topic);
        _table.Signal([_topic]);
        Assert.True(await subscription.WaitAsync(TimeSpan.Zero, default));
        Assert.False(await subscription.WaitAsync(Short, default));
    }

    [Fact]
    public async Task A_signal_after_a_wait_ended_by_its_time_ends_the_next()
    {
        using var subscription = _table.Subscribe(_topic);
        Assert.False(await subscription.WaitAsync(Short, default));
        _table.Signal([_topic]);
        Assert.True(await subscription.WaitAsync(Short, default));
    }

    [Fact]
    public async Task A_wait_can_be_cancelled_and_the_subscription_goes_on()
    {
        using var subscription = _table.Subscribe(_topic);
        using var cancel = new CancellationTokenSource();
        var wait = subscription.WaitAsync(Long, cancel.Token);
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => wait);
        _table.Signal([_topic]);
        Assert.True(await subscription.WaitAsync(Short, default));
    }

    [Fact]
    public void Subscribers_come_and_go_in_any_order()
    {
        var random = new Random(7);
        var subscriptions = Enumerable.Range(0, 50).Select(_ => _table.Subscribe(_topic)).ToList();
        while (subscriptions.Count > 0)
        {
            var gone = subscriptions[random.Next(subscriptions.Count)];
            subscriptions.Remove(gone);
            gone.Dispose();
            gone.Dispose();
            Assert.Equal(subscriptions.Count, _table.Count);
            _table.Signal([_topic]);
            Assert.All(subscriptions, s => Assert.True(s.TakeSignal()));
            Assert.False(gone.TakeSignal());
        }
    }

    [Fact]
    public void More_subscribers_than_the_bound_are_turned_away()
    {
        var table = new FeedTable(TimeProvider.System, maxSubscribers: 2);
        using var a = table.Subscribe(_topic);
        var b = table.Subscribe(_topic);
        Assert.Throws<GatewayTooBusyException>(() => table.Subscribe(_topic));
        b.Dispose();
        using var c = table.Subscribe(_topic);
    }

    [Fact]
    public async Task After_the_end_nobody_waits()
    {
        using var early = _table.Subscribe(_topic);
        var wait = early.WaitAsync(Long, default);
        _table.Close();
        Assert.False(await Eventually.EndsAsync(wait, "the wait"));
        using var late = _table.Subscribe(_topic);
        Assert.False(await Eventually.EndsAsync(late.WaitAsync(Long, default), "the late wait"));
    }

    [Fact]
    public async Task No_order_of_signals_and_waits_loses_the_last_signal()
    {
        // A reader under the feed's rule against a writer that sets a value and signals: it must come to see the last one.
        const int Last = 20_000;
        using var subscription = _table.Subscribe(_topic);
        var value = 0;
        var writer = Task.Run(() =>
        {
            for (var i = 1; i <= Last; i++)
            {
                Volatile.Write(ref value, i);
                _table.Signal([_topic]);
            }
        });
        var reader = Task.Run(async () =>
        {
            while (Volatile.Read(ref value) < Last)
            {
                Assert.True(await subscription.WaitAsync(Long, default));
            }
        });
        await Eventually.EndsAsync(Task.WhenAll(writer, reader), "the reader to see the last value");
    }
}
