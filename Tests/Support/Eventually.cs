using System.Text;
using System.Text.Json;

namespace Plane.Testing;

/// <summary>
/// Waits until something that is observed from outside holds. The failure prints what was seen, each distinct observation once, with its
/// time: that is what tells a slow test from a wrong one.
/// </summary>
public static class Eventually
{
    /// <summary>Long enough for a busy machine; a test that needs it has failed.</summary>
    public static readonly TimeSpan DefaultDeadline = TimeSpan.FromSeconds(90);

    // A look costs: it may list processes, or ask a browser. The longer something takes, the less often it is looked at.
    private static readonly TimeSpan s_shortest = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan s_longest = TimeSpan.FromMilliseconds(150);

    /// <summary>Observes until <paramref name="holds"/> accepts the observation, and returns it. Exceptions of the observation count as "not yet".</summary>
    public static async Task<T> SeenAsync<T>(
        Func<CancellationToken, Task<T>> observe, Func<T, bool> holds, string expected, TimeSpan? deadline = null)
    {
        var limit = deadline ?? DefaultDeadline;
        var time = TimeProvider.System;
        var start = time.GetTimestamp();
        using var cancel = new CancellationTokenSource(limit, time);
        var seen = new List<string>();
        while (true)
        {
            string observation;
            var begun = time.GetElapsedTime(start);
            try
            {
                var value = await observe(cancel.Token).WaitAsync(cancel.Token);
                if (holds(value))
                {
                    return value;
                }

                observation = Describe(value);
            }
            catch (OperationCanceledException) when (cancel.IsCancellationRequested)
            {
                // Whether what is observed stayed as it was, or the observer hung, is the first question to a failure.
                observation = $"(the observation begun at {begun.TotalSeconds:F3} s had not come back)";
            }
            catch (Exception e)
            {
                observation = $"{e.GetType().Name}: {e.Message}";
            }

            var elapsed = time.GetElapsedTime(start);
            if (seen.Count == 0 || !seen[^1].EndsWith(observation, StringComparison.Ordinal))
            {
                seen.Add($"{elapsed.TotalSeconds,8:F3} s  {observation}");
            }

            if (cancel.IsCancellationRequested)
            {
                Assert.Fail(Failure(expected, limit, seen));
            }

            await Task.WhenAny(Task.Delay(elapsed / 10 is var pause && pause < s_shortest ? s_shortest : pause < s_longest ? pause : s_longest, time, cancel.Token));
        }
    }

    /// <summary>The same, for an observation that needs no waiting.</summary>
    public static Task<T> SeenAsync<T>(Func<T> observe, Func<T, bool> holds, string expected, TimeSpan? deadline = null) =>
        SeenAsync(_ => Task.FromResult(observe()), holds, expected, deadline);

    /// <summary>Waits until <paramref name="holds"/> says so.</summary>
    public static Task TrueAsync(Func<bool> holds, string expected, TimeSpan? deadline = null) =>
        SeenAsync(holds, value => value, expected, deadline);

    /// <summary>Awaits <paramref name="task"/>, at most until the deadline.</summary>
    public static async Task<T> EndsAsync<T>(Task<T> task, string expected, TimeSpan? deadline = null)
    {
        await EndsAsync((Task)task, expected, deadline);
        return await task;
    }

    /// <summary>Awaits <paramref name="task"/>, at most until the deadline.</summary>
    public static async Task EndsAsync(Task task, string expected, TimeSpan? deadline = null)
    {
        var limit = deadline ?? DefaultDeadline;
        if (await Task.WhenAny(task, Task.Delay(limit, TimeProvider.System)) != task)
        {
            Assert.Fail($"Expected within {limit.TotalSeconds:F1} s: {expected}. The task is {task.Status}.");
        }

        await task;
    }

    private static string Failure(string expected, TimeSpan limit, List<string> seen)
    {
        const int Shown = 40;
        var text = new StringBuilder($"Expected within {limit.TotalSeconds:F1} s: {expected}. Seen:\n");
        if (seen.Count > Shown)
        {
            text.Append(System.Globalization.CultureInfo.InvariantCulture, $"  … {seen.Count - Shown} earlier observations\n");
        }

        return text.AppendJoin('\n', seen.TakeLast(Shown)).ToString();
    }

    private static string Describe<T>(T value)
    {
        if (value is null or string or System.ValueType)
        {
            return value?.ToString() ?? "null";
        }

        try
        {
            return JsonSerializer.Serialize(value);
        }
        catch (Exception e) when (e is NotSupportedException or JsonException)
        {
            return value.ToString() ?? typeof(T).Name;
        }
    }
}
