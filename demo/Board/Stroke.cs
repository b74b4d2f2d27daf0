using System.Runtime.InteropServices;

namespace Plane.Demo.Board;

/// <summary>One stroke of one person: pen, and points as x, y, x, y, …</summary>
internal sealed class Stroke(int by, Said.Start start)
{
    private readonly List<ushort> _coordinates = [(ushort)start.X, (ushort)start.Y];

    /// <summary>Unique on the board: the person's number, and their own count.</summary>
    public (int By, int Id) Key { get; } = (by, start.Id);

    public int Color { get; } = start.Color;

    public int Pen { get; } = start.Pen;

    public bool IsOpen { get; set; } = true;

    public int Points => _coordinates.Count / 2;

    public ReadOnlySpan<ushort> Coordinates => CollectionsMarshal.AsSpan(_coordinates);

    public void Add(ushort[] coordinates) => _coordinates.AddRange(coordinates);
}
