using System.Text;

namespace Plane.Judge;

/// <summary>Writes 50 MB of lines a second to its output, from one signal to the next.</summary>
internal sealed class Flood : IDisposable
{
    /// <summary>SIGUSR1.</summary>
    public const int Signal = 10;

    private const int BytesPerSecond = 50_000_000;
    private const int Slices = 20;

    private readonly byte[] _lines = Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat(new string('f', 99) + "\n", BytesPerSecond / Slices / 100)));
    private readonly Lock _gate = new();
    private ITimer? _timer;
    private bool _isWriting;

    /// <summary>Begins, or ends.</summary>
    public void Toggle()
    {
        lock (_gate)
        {
            if (_timer is null)
            {
                _timer = TimeProvider.System.CreateTimer(_ => Write(), null, TimeSpan.Zero, TimeSpan.FromSeconds(1.0 / Slices));
            }
            else
            {
                Dispose();
            }
        }
    }

    public void Dispose()
    {
        _timer?.Dispose();
        _timer = null;
    }

    private void Write()
    {
        // A slice that comes while the one before is still being written is left out: the reader is slower than that.
        if (Interlocked.Exchange(ref _isWriting, true))
        {
            return;
        }

        using (var output = Console.OpenStandardOutput())
        {
            output.Write(_lines);
        }

        Volatile.Write(ref _isWriting, false);
    }
}
