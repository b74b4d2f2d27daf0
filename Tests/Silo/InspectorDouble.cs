using Microsoft.Extensions.DependencyInjection;
using Orleans;
using Plane.Hosting;

namespace Plane.Tests.Silo;

/// <summary>What a drone shows of one backend's output, shown by a test.</summary>
internal sealed class InspectorDouble : IDroneInspector
{
    private const long Feed = 4711;

    private int _reading;

    public OutputRing Ring { get; } = new(0);

    /// <summary>How many calls that follow there were at one time.</summary>
    public int MostReading { get; private set; }

    public bool IsKnown { get; set; } = true;

    public string? Problem { get; set; }

    public List<OutputRequest> Requests { get; } = [];

    /// <summary>Makes it known as the drone's.</summary>
    public async Task ShowAsync(Controller controller, DroneDouble drone)
    {
        var reference = controller.Services.GetRequiredService<IClusterClient>().CreateObjectReference<IDroneInspector>(this);
        await drone.ShowAsync(reference.GetGrainId().ToString());
    }

    public void Write(int from, int count, OutputStream stream = OutputStream.Stdout)
    {
        for (var i = from; i < from + count; i++)
        {
            Ring.Add(new OutputLine { Position = i, Stream = stream, Text = $"line {i}", Time = DateTimeOffset.UnixEpoch.AddSeconds(i) });
        }
    }

    public UsagePage Usage { get; set; } = new();

    public Task<UsagePage> ReadUsage(BackendIdentity backend) => Task.FromResult(Usage);

    public BusyBackend[] Busy { get; set; } = [];

    public Task<BusyBackend[]> ReadBusiest(int most) => Task.FromResult(Busy);

    public async Task<OutputPage> ReadOutput(OutputRequest request)
    {
        lock (Requests)
        {
            Requests.Add(request);
        }

        if (!IsKnown || Problem is not null)
        {
            return new OutputPage { IsKnown = IsKnown, Problem = Problem };
        }

        if (request.After is not { } after)
        {
            var all = Ring.Read(0, int.MaxValue, out _).Lines;
            return new OutputPage { IsKnown = true, Lines = [.. all.TakeLast(request.Tail)], Cursor = new OutputCursor(Ring.End) };
        }

        MostReading = Math.Max(MostReading, Interlocked.Increment(ref _reading));
        var number = after.Feed == Feed ? after.Sequence : Ring.NumberAt(after.Position) ?? Ring.Oldest;
        var batch = Ring.Read(number, 100_000, out var changed);
        if (batch is { Lines.Length: 0, IsComplete: false })
        {
            await Task.WhenAny(changed, Task.Delay(request.Wait, TimeProvider.System));
            batch = Ring.Read(number, 100_000, out _);
        }

        Interlocked.Decrement(ref _reading);
        return new OutputPage
        {
            IsKnown = true,
            Lines = batch.Lines,
            Cursor = new OutputCursor(batch.Lines is [.., { } last] ? last.Position : after.Position, Feed, batch.Sequence),
            IsComplete = batch.IsComplete,
        };
    }
}
