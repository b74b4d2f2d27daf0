using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;

namespace Plane.ProxyHost.Services;

/// <summary>
/// What was worked out for a text, for as long as there is room: the entry that goes is one that was not used since it was last looked at. Reads take no lock. Thread-safe.
/// </summary>
/// <typeparam name="TValue">What is kept.</typeparam>
internal sealed class BoundedCache<TValue>
    where TValue : class
{
    // The most entries that one eviction looks at, so that an insertion takes no longer the more there are.
    private const int LookedAt = 32;

    private readonly int _capacity;
    private readonly ConcurrentDictionary<string, Slot> _slots;
    private readonly ConcurrentDictionary<string, Slot>.AlternateLookup<ReadOnlySpan<char>> _bySpan;
    private readonly Lock _gate = new();

    // Guarded by _gate. Holds each slot of the dictionary once, and slots that were taken out and not looked at since.
    private readonly Queue<Slot> _order = new();

    /// <summary>Makes an empty one.</summary>
    /// <param name="capacity">The most entries.</param>
    /// <param name="comparer">How texts compare; ordinal where not given.</param>
    public BoundedCache(int capacity, StringComparer? comparer = null)
    {
        _capacity = capacity;
        _slots = new ConcurrentDictionary<string, Slot>(comparer ?? StringComparer.Ordinal);
        _bySpan = _slots.GetAlternateLookup<ReadOnlySpan<char>>();
    }

    /// <summary>How many there are.</summary>
    public int Count => _slots.Count;

    /// <summary>The value of a text, found without making a string of it.</summary>
    public bool TryGet(ReadOnlySpan<char> text, [NotNullWhen(true)] out TValue? value)
    {
        if (_bySpan.TryGetValue(text, out var slot))
        {
            slot.WasUsed = true;
            value = slot.Value;
            return true;
        }

        value = null;
        return false;
    }

    /// <summary>Keeps a value in place of what was kept for the text.</summary>
    public void Set(string text, TValue value)
    {
        lock (_gate)
        {
            if (_slots.TryGetValue(text, out var known))
            {
                known.Value = value;
                return;
            }

            Add(text, value);
        }
    }

    /// <summary>The value of a text, or this one, which is kept then.</summary>
    public TValue GetOrAdd(string text, TValue value)
    {
        lock (_gate)
        {
            return _slots.TryGetValue(text, out var known) ? known.Value : Add(text, value);
        }
    }

    /// <summary>Forgets a text.</summary>
    public void Remove(string text) => _slots.TryRemove(text, out _);

    private TValue Add(string text, TValue value)
    {
        while (_order.Count >= _capacity)
        {
            Evict();
        }

        var slot = new Slot(text, value);
        _slots[text] = slot;
        _order.Enqueue(slot);
        return value;
    }

    private void Evict()
    {
        for (var i = 0; ; i++)
        {
            var oldest = _order.Dequeue();
            var isThere = _slots.TryGetValue(oldest.Text, out var current) && ReferenceEquals(current, oldest);
            if (!isThere)
            {
                return;
            }

            if (!oldest.WasUsed || i >= LookedAt || _order.Count == 0)
            {
                _slots.TryRemove(KeyValuePair.Create(oldest.Text, oldest));
                return;
            }

            oldest.WasUsed = false;
            _order.Enqueue(oldest);
        }
    }

    // Value and mark are single words: readers see the old one or the new one.
    private sealed class Slot(string text, TValue value)
    {
        private volatile TValue _value = value;
        private volatile bool _wasUsed;

        public string Text { get; } = text;

        public TValue Value
        {
            get => _value;
            set => _value = value;
        }

        public bool WasUsed
        {
            get => _wasUsed;
            set
            {
                // A write that changes nothing would still take the line of memory from all other processors.
                if (_wasUsed != value)
                {
                    _wasUsed = value;
                }
            }
        }
    }
}
