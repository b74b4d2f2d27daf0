namespace Orleans.Gateway;

/// <summary>Keeps what happens again and again out of the log: each thing is told once, and again after a minute. Any thread may ask.</summary>
internal sealed class Repeats(TimeProvider time)
{
    private static readonly TimeSpan TellAgainAfter = TimeSpan.FromMinutes(1);

    // Strangers choose some of the texts: beyond so many they are told as one.
    private const int Most = 64;

    private readonly Lock _gate = new();
    private readonly Dictionary<string, long> _toldAt = [];

    /// <summary>Whether it is to be told.</summary>
    public bool IsNews(string what)
    {
        lock (_gate)
        {
            if (_toldAt.Count >= Most && !_toldAt.ContainsKey(what))
            {
                foreach (var old in _toldAt.Where(t => time.GetElapsedTime(t.Value) >= TellAgainAfter).Select(t => t.Key).ToArray())
                {
                    _toldAt.Remove(old);
                }

                what = _toldAt.Count >= Most ? "" : what;
            }

            if (_toldAt.TryGetValue(what, out var told) && time.GetElapsedTime(told) < TellAgainAfter)
            {
                return false;
            }

            _toldAt[what] = time.GetTimestamp();
            return true;
        }
    }

    /// <summary>It is over: what comes next is new.</summary>
    public void Clear()
    {
        lock (_gate)
        {
            _toldAt.Clear();
        }
    }
}
