using Orleans.Runtime;

namespace Plane.Grains.Feed;

/// <summary>
/// The subscribers by topic. Each topic's are an intrusive list, so that coming and going costs the same however many wait for one backend.
/// Thread-safe; nothing of a subscriber runs under the lock.
/// </summary>
internal sealed class FeedTable(TimeProvider time, int maxSubscribers)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<Topic, FeedSubscription> _heads = [];
    private int _count;
    private volatile bool _closed;

    public int Count => Volatile.Read(ref _count);

    public bool IsClosed => _closed;

    /// <exception cref="GatewayTooBusyException">There are too many: the call is to be repeated, on another silo if there is one.</exception>
    public FeedSubscription Subscribe(Topic topic)
    {
        var subscription = new FeedSubscription(this, topic, time);
        lock (_gate)
        {
            if (_count >= maxSubscribers)
            {
                throw new GatewayTooBusyException($"{maxSubscribers} calls wait on this controller already");
            }

            if (_heads.TryGetValue(topic, out var head))
            {
                subscription.Next = head;
                head.Previous = subscription;
            }

            _heads[topic] = subscription;
            subscription.IsListed = true;
            _count++;
        }

        return subscription;
    }

    public void Remove(FeedSubscription subscription)
    {
        lock (_gate)
        {
            if (!subscription.IsListed)
            {
                return;
            }

            if (subscription.Previous is { } previous)
            {
                previous.Next = subscription.Next;
            }
            else if (subscription.Next is { } next)
            {
                _heads[subscription.Topic] = next;
            }
            else
            {
                _heads.Remove(subscription.Topic);
            }

            if (subscription.Next is { } after)
            {
                after.Previous = subscription.Previous;
            }

            subscription.IsListed = false;
            _count--;
        }
    }

    public void Signal(IEnumerable<Topic> topics)
    {
        var signalled = new List<FeedSubscription>();
        lock (_gate)
        {
            foreach (var topic in topics)
            {
                if (topic == Topic.AllRoutes)
                {
                    // Rare, and a topic for each cluster that is waited for.
                    foreach (var (_, head) in _heads.Where(static h => h.Key.Kind == TopicKind.Routes))
                    {
                        Collect(head);
                    }
                }
                else
                {
                    Collect(_heads.GetValueOrDefault(topic));
                }
            }
        }

        signalled.ForEach(s => s.Signal());

        void Collect(FeedSubscription? head)
        {
            for (var s = head; s is not null; s = s.Next)
            {
                signalled.Add(s);
            }
        }
    }

    public void SignalAll() => All().ForEach(s => s.Signal());

    /// <summary>Ends all waits, and those to come at once.</summary>
    public void Close()
    {
        // First the flag, then the list: who subscribes in between sees the flag when it begins to wait.
        _closed = true;
        All().ForEach(s => s.End());
    }

    private List<FeedSubscription> All()
    {
        var all = new List<FeedSubscription>();
        lock (_gate)
        {
            foreach (var head in _heads.Values)
            {
                for (var s = head; s is not null; s = s.Next)
                {
                    all.Add(s);
                }
            }
        }

        return all;
    }
}
