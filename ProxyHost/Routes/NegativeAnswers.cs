using System.Collections.Concurrent;

namespace Plane.ProxyHost.Routes;

/// <summary>
/// Tokens that, as the controller said a moment ago, lead nowhere. Kept apart from the routes, and bounded by itself, so that a flood of invented tokens pushes no
/// route out. A token is drawn before it is given to anyone, so none becomes valid after a client asked for it. Thread-safe.
/// </summary>
internal sealed class NegativeAnswers(ProxyOptions options, TimeProvider time)
{
    private const int Capacity = 10_000;

    private readonly ConcurrentDictionary<string, Answer> _answers = new(StringComparer.Ordinal);
    private int _count;
    private long _sweepAgain = long.MinValue;

    public Resolution? Find(string token)
    {
        if (!_answers.TryGetValue(token, out var answer))
        {
            return null;
        }

        if (time.GetTimestamp() < answer.Until)
        {
            return answer.Resolution;
        }

        Drop(token, answer);
        return null;
    }

    public void Add(string token, Resolution resolution)
    {
        if (Volatile.Read(ref _count) >= Capacity)
        {
            DropExpired();
            if (Volatile.Read(ref _count) >= Capacity)
            {
                return;
            }
        }

        var until = time.GetTimestamp() + (long)(options.NegativeAnswer.TotalSeconds * time.TimestampFrequency);
        var answer = new Answer(resolution, until);

        // In place of the one that is there, and only that: one that is dropped at this moment was counted off.
        while (!_answers.TryAdd(token, answer))
        {
            if (_answers.TryGetValue(token, out var known) && _answers.TryUpdate(token, answer, known))
            {
                return;
            }
        }

        Interlocked.Increment(ref _count);
    }

    private void DropExpired()
    {
        // Under a flood every call finds the store full: one scan in 100 ms is enough.
        var now = time.GetTimestamp();
        var due = Volatile.Read(ref _sweepAgain);
        if (now < due || Interlocked.CompareExchange(ref _sweepAgain, now + (time.TimestampFrequency / 10), due) != due)
        {
            return;
        }

        foreach (var (token, answer) in _answers)
        {
            if (answer.Until <= now)
            {
                Drop(token, answer);
            }
        }
    }

    private void Drop(string token, Answer answer)
    {
        if (_answers.TryRemove(KeyValuePair.Create(token, answer)))
        {
            Interlocked.Decrement(ref _count);
        }
    }

    private readonly record struct Answer(Resolution Resolution, long Until);
}
