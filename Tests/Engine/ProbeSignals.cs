using System.Collections.Concurrent;

namespace Plane.Tests.Engine;

/// <summary>
/// What grains and test say to each other past the engine: events that the test waits for, and gates at which a grain waits for the test. Each cluster has its own,
/// found by a property, since configurators are made by name.
/// </summary>
public sealed class ProbeSignals
{
    private static readonly ConcurrentDictionary<string, ProbeSignals> All = new();

    private readonly List<string> _said = [];
    private readonly ConcurrentDictionary<string, TaskCompletionSource> _gates = new();
    private readonly ConcurrentDictionary<string, int> _failures = new();
    private TaskCompletionSource _changed = New();
    private int _instances;

    private ProbeSignals()
    {
    }

    public static ProbeSignals Of(string id) => All.GetOrAdd(id, _ => new ProbeSignals());

    public int NextInstance() => Interlocked.Increment(ref _instances);

    public void Say(string text)
    {
        TaskCompletionSource changed;
        lock (_said)
        {
            _said.Add(text);
            changed = _changed;
            _changed = New();
        }

        changed.TrySetResult();
    }

    public int Count(string text)
    {
        lock (_said)
        {
            return _said.Count(s => s == text);
        }
    }

    /// <summary>Waits until a text was said so often; what was said instead is the failure.</summary>
    public async Task HeardAsync(string text, int times = 1)
    {
        var deadline = Task.Delay(TimeSpan.FromSeconds(90));
        while (true)
        {
            Task changed;
            lock (_said)
            {
                if (_said.Count(s => s == text) >= times)
                {
                    return;
                }

                changed = _changed.Task;
            }

            if (await Task.WhenAny(changed, deadline) == deadline)
            {
                lock (_said)
                {
                    Assert.Fail($"'{text}' was not said {times} times. Said: {string.Join("; ", _said)}");
                }
            }
        }
    }

    public Task PassAsync(string? gate) => gate is null ? Task.CompletedTask : Gate(gate).Task;

    public void Open(string gate) => Gate(gate).TrySetResult();

    public void FailNextActivations(string key, int times) => _failures[key] = times;

    public bool TakeFailure(string key)
    {
        while (_failures.TryGetValue(key, out var left) && left > 0)
        {
            if (_failures.TryUpdate(key, left - 1, left))
            {
                return true;
            }
        }

        return false;
    }

    private static TaskCompletionSource New() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private TaskCompletionSource Gate(string gate) => _gates.GetOrAdd(gate, _ => New());
}
