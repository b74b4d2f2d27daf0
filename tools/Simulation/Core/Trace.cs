using System.Runtime.CompilerServices;

namespace Plane.Simulation.Core;

/// <summary>The last events of a schedule. Off, a line costs nothing: its text is not even made.</summary>
internal sealed class Trace(int keep)
{
    private readonly Queue<string> _lines = new();

    public bool IsOn => keep > 0;

    public IReadOnlyCollection<string> Lines => _lines;

    public void Add(long now, string who, string text)
    {
        if (_lines.Count == keep)
        {
            _lines.Dequeue();
        }

        _lines.Enqueue(string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{now / 1000.0,9:0.000}  {who,-11} {text}"));
    }
}

/// <summary>Text that is made only where a trace is kept.</summary>
[InterpolatedStringHandler]
internal ref struct TraceText
{
    private readonly bool _isOn;
    private DefaultInterpolatedStringHandler _text;

    public TraceText(int literals, int holes, World world, out bool isOn)
    {
        _isOn = isOn = world.Trace.IsOn;
        _text = isOn ? new DefaultInterpolatedStringHandler(literals, holes, System.Globalization.CultureInfo.InvariantCulture) : default;
    }

    public void AppendLiteral(string text) => _text.AppendLiteral(text);

    public void AppendFormatted<T>(T value) => _text.AppendFormatted(value);

    public string? Take() => _isOn ? _text.ToStringAndClear() : null;
}
