using System.Runtime.InteropServices;

namespace Plane.Hosting;

/// <summary>Lines that a reader of an <see cref="OutputRing"/> got.</summary>
/// <param name="Lines">The lines; the first says how many before it were dropped.</param>
/// <param name="Sequence">The number of the last one.</param>
/// <param name="IsComplete">Whether nothing more comes.</param>
public readonly record struct OutputBatch(OutputLine[] Lines, long Sequence, bool IsComplete);

/// <summary>
/// The newest lines of one output, between one writer and any number of readers, each with a position of its own. Bounded: the oldest line is dropped, and a slow reader's next line says how
/// many lines it has missed. No reader delays the writer or another reader. Lines are numbered, and those that were dropped before they came here have numbers too.
/// </summary>
public sealed class OutputRing
{
    // What a line costs beside its text.
    private const int LineCost = 100;

    private readonly int _limit;
    private readonly Lock _gate = new();
    private readonly List<Entry> _lines = [];
    private int _head;
    private long _size;
    private long _floor;
    private long _floorNumber;
    private bool _isComplete;
    private TaskCompletionSource _changed = NewSignal();

    /// <summary>Makes an empty one.</summary>
    /// <param name="after">The position that the first line comes after.</param>
    /// <param name="limit">About how many characters it holds.</param>
    public OutputRing(long after, int limit = 1024 * 1024)
    {
        _floor = after;
        _limit = limit;
    }

    /// <summary>The position of the last line that was added, or the one that it began after.</summary>
    public long End
    {
        get
        {
            lock (_gate)
            {
                return _lines.Count > _head ? _lines[^1].Line.Position : _floor;
            }
        }
    }

    /// <summary>The number to read on after for a reader that takes what there is.</summary>
    public long Oldest
    {
        get
        {
            lock (_gate)
            {
                return _floorNumber;
            }
        }
    }

    /// <summary>Adds a line. Called by the writer alone.</summary>
    /// <param name="line">The line.</param>
    public void Add(OutputLine line)
    {
        ArgumentNullException.ThrowIfNull(line);
        TaskCompletionSource changed;
        lock (_gate)
        {
            var before = _lines.Count > _head ? _lines[^1].Number : _floorNumber;
            _lines.Add(new Entry(before + Math.Max(0, line.Dropped) + 1, line));
            _size += line.Text.Length + LineCost;
            while (_size > _limit && _lines.Count - _head > 1)
            {
                var gone = _lines[_head];
                (_floor, _floorNumber) = (gone.Line.Position, gone.Number);
                _size -= gone.Line.Text.Length + LineCost;
                _lines[_head++] = default;
            }

            if (_head > 1_000 && _head > _lines.Count / 2)
            {
                // Moved now and then instead of each time.
                _lines.RemoveRange(0, _head);
                _head = 0;
            }

            changed = _changed;
            _changed = NewSignal();
        }

        changed.TrySetResult();
    }

    /// <summary>Nothing more comes.</summary>
    public void Complete()
    {
        lock (_gate)
        {
            _isComplete = true;
            _changed.TrySetResult();
        }
    }

    /// <summary>The number to read on after for a reader that has everything up to a position; null where lines after it may have been dropped.</summary>
    /// <param name="position">The position.</param>
    public long? NumberAt(long position)
    {
        lock (_gate)
        {
            if (position < _floor)
            {
                return null;
            }

            var at = FirstWhere(position, static (entry, wanted) => entry.Line.Position > wanted);
            return at > _head ? _lines[at - 1].Number : _floorNumber;
        }
    }

    /// <summary>The lines after a number, as many as fit.</summary>
    /// <param name="after">The number of the last line that the reader has.</param>
    /// <param name="most">About how many characters; one line comes in any case.</param>
    /// <param name="changed">Completes once there is more to read.</param>
    public OutputBatch Read(long after, int most, out Task changed)
    {
        lock (_gate)
        {
            changed = _changed.Task;
            var lines = new List<OutputLine>();
            var at = FirstWhere(after, static (entry, wanted) => entry.Number > wanted);
            for (; at < _lines.Count; at++)
            {
                most -= _lines[at].Line.Text.Length + LineCost;
                if (most < 0 && lines.Count > 0)
                {
                    break;
                }

                var (number, line) = _lines[at];
                lines.Add(lines.Count > 0 || line.Dropped < 0 || number - after - 1 == line.Dropped ? line : line with { Dropped = number - after - 1 });
            }

            var last = lines.Count > 0 ? _lines[at - 1].Number : after;
            return new OutputBatch([.. lines], last, _isComplete && at == _lines.Count);
        }
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>The index of the first entry that comes after what is wanted.</summary>
    private int FirstWhere(long wanted, Func<Entry, long, bool> isAfter)
    {
        var entries = CollectionsMarshal.AsSpan(_lines);
        var (low, high) = (_head, entries.Length);
        while (low < high)
        {
            var middle = (low + high) / 2;
            (low, high) = isAfter(entries[middle], wanted) ? (low, middle) : (middle + 1, high);
        }

        return low;
    }

    private readonly record struct Entry(long Number, OutputLine Line);
}
