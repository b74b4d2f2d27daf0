using Orleans;
using Orleans.Concurrency;
using Orleans.Runtime;

namespace Plane.Tests.Engine;

public sealed class ProbeGrain(ProbeSignals signals) : Grain, IProbe
{
    private readonly List<string> _notes = [];
    private readonly int _instance = signals.NextInstance();
    private int _counter;
    private int _plain;
    private IGrainTimer? _timer;

    public override Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken)
    {
        signals.Say($"deactivated {this.GetPrimaryKeyString()} {reason.ReasonCode}");
        return Task.CompletedTask;
    }

    public async Task<int> Increment(string? gate)
    {
        var read = _counter;
        signals.Say($"increment {this.GetPrimaryKeyString()}");
        await signals.PassAsync(gate);
        return _counter = read + 1;
    }

    public Task<int> IncrementInterleaved(string? gate) => Increment(gate);

    public Task<int> Peek() => Task.FromResult(_counter);

    public async Task<int> Spin(int rounds)
    {
        for (var i = 0; i < rounds; i++)
        {
            // Not atomic, and no lock: right only if turns never overlap.
            var read = _plain;
            Thread.SpinWait(20);
            _plain = read + 1;
            await Task.Yield();
        }

        return _plain;
    }

    public Task Note(string text)
    {
        _notes.Add(text);
        signals.Say($"noted {text}");
        return Task.CompletedTask;
    }

    public Task FailOneWay() => throw new InvalidOperationException("nobody hears this");

    public Task<string[]> Notes() => Task.FromResult(_notes.ToArray());

    public Task Throw(string kind, string message) => throw kind switch
    {
        "argument" => new ArgumentException(message),
        "invalid" => new InvalidOperationException(message),
        "timeout" => new TimeoutException(message),
        "silo" => new SiloUnavailableException(message),
        _ => new ProbeException(message),
    };

    public Task WaitBriefly(string gate) => signals.PassAsync(gate);

    public async Task<bool> WaitForCancellation(string gate, CancellationToken cancellationToken)
    {
        signals.Say($"waiting {this.GetPrimaryKeyString()}");
        try
        {
            await signals.PassAsync(gate).WaitAsync(cancellationToken);
            return false;
        }
        catch (OperationCanceledException)
        {
            signals.Say($"cancelled {this.GetPrimaryKeyString()}");
            throw;
        }
    }

    public Task<string> AskOther(string otherKey) => GrainFactory.GetGrain<IProbe>(otherKey).WhoAreYou();

    public Task<string> WhoAreYou() => Task.FromResult(this.GetPrimaryKeyString());

    public Task<string> CallMyself() => GrainFactory.GetGrain<IProbe>(this.GetPrimaryKeyString()).WhoAreYou();

    public Task StartTimer(int dueMilliseconds, int periodMilliseconds, bool interleave, string? gate)
    {
        var ticks = 0;
        _timer = this.RegisterGrainTimer(
            async ct =>
            {
                signals.Say($"tick {++ticks} {this.GetPrimaryKeyString()}");
                await signals.PassAsync(gate).WaitAsync(ct);
                _counter++;
            },
            new GrainTimerCreationOptions
            {
                DueTime = TimeSpan.FromMilliseconds(dueMilliseconds),
                Period = periodMilliseconds < 0 ? Timeout.InfiniteTimeSpan : TimeSpan.FromMilliseconds(periodMilliseconds),
                Interleave = interleave,
            });
        return Task.CompletedTask;
    }

    public Task StopTimer()
    {
        _timer!.Dispose();
        return Task.CompletedTask;
    }

    public Task Deactivate()
    {
        DeactivateOnIdle();
        return Task.CompletedTask;
    }

    public Task<int> Instance() => Task.FromResult(_instance);

    public async Task<bool> SchedulerIsKept()
    {
        var before = TaskScheduler.Current;
        await Task.Yield();
        return before != TaskScheduler.Default && TaskScheduler.Current == before;
    }
}

[StatelessWorker(1)]
public sealed class LocalProbeGrain(ProbeSignals signals) : Grain, ILocalProbe
{
    private readonly int _instance = signals.NextInstance();
    private int _counter;

    public async Task<int> Increment(string? gate)
    {
        var read = _counter;
        signals.Say($"increment {this.GetPrimaryKeyString()}");
        await signals.PassAsync(gate);
        return _counter = read + 1;
    }

    public Task<int> Peek() => Task.FromResult(_counter);

    public Task<int> Instance() => Task.FromResult(_instance);

    public Task Deactivate()
    {
        DeactivateOnIdle();
        return Task.CompletedTask;
    }
}

[Reentrant]
public sealed class ReentrantProbeGrain(ProbeSignals signals) : Grain, IReentrantProbe
{
    private int _counter;
    private int _plain;

    public async Task<int> Increment(string? gate)
    {
        var read = _counter;
        signals.Say($"increment {this.GetPrimaryKeyString()}");
        await signals.PassAsync(gate);
        return _counter = read + 1;
    }

    public async Task<int> Spin(int rounds)
    {
        for (var i = 0; i < rounds; i++)
        {
            var read = _plain;
            Thread.SpinWait(20);
            _plain = read + 1;
            await Task.Yield();
        }

        return _plain;
    }

    public async Task<string> CallMyself(int depth) =>
        depth == 0 ? "bottom" : await GrainFactory.GetGrain<IReentrantProbe>(this.GetPrimaryKeyString()).CallMyself(depth - 1);
}

public sealed class FragileGrain(ProbeSignals signals) : Grain, IFragile
{
    private readonly int _instance = signals.NextInstance();

    public override Task OnActivateAsync(CancellationToken cancellationToken) => signals.TakeFailure(this.GetPrimaryKeyString())
        ? throw new InvalidOperationException("told to fail")
        : Task.CompletedTask;

    public Task<int> Ping() => Task.FromResult(_instance);
}

public sealed class EchoGrain : Grain, IEcho
{
    public Task<Everything> Everything(Everything value) => Task.FromResult(value);

    public Task<Everything?> Nullable(Everything? value) => Task.FromResult(value);

    public Task<Shape> Shape(Shape value) => Task.FromResult(value);

    public Task<Shape[]> Shapes(Shape[] values) => Task.FromResult(values);

    public Task<string> Text(string value) => Task.FromResult(value);

    public Task<byte[]> Bytes(byte[] value) => Task.FromResult(value);

    public Task<Dictionary<string, Inner>> Dictionary(Dictionary<string, Inner> value) => Task.FromResult(value);

    public Task<ProbeName> Name(ProbeName value) => Task.FromResult(value);

    public Task<WithDefaults> Defaults(WithDefaults value) => Task.FromResult(value);

    public Task Nothing() => Task.CompletedTask;
}

/// <summary>An exception of a type that only this assembly knows.</summary>
public sealed class ProbeException(string message) : Exception(message);
