using System.Text;
using Plane.Chaos.Parts;
using Plane.Chaos.Verdict;

namespace Plane.Chaos.Load;

/// <summary>What clients did, in a file and in memory.</summary>
internal sealed class RequestLog(string file) : IDisposable
{
    private readonly Lock _lock = new();
    private readonly List<Entry> _entries = [];
    private readonly StreamWriter _writer = new(file, append: false, new UTF8Encoding(false));

    public IReadOnlyList<Entry> Entries
    {
        get
        {
            lock (_lock)
            {
                return [.. _entries];
            }
        }
    }

    public Entry Add(Entry entry)
    {
        lock (_lock)
        {
            _entries.Add(entry);
            _writer.WriteLine(EntryFile.Line(entry));
            _writer.Flush();
            return entry;
        }
    }

    public void Phase(string name)
    {
        var now = BootClock.Now;
        Add(new Entry { Op = Ops.Phase, Start = now, End = now, Ok = true, Key = name });
    }

    public void Dispose() => _writer.Dispose();
}
