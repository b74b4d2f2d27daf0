using Plane.Hosting.Ready;


namespace Plane.Tests.Silo;

internal sealed class ReadyCapture : IReadyLine
{
    public List<string> Lines { get; } = [];

    public void Ready(string role, params IReadOnlyList<(string Key, string Value)> values)
    {
        lock (Lines)
        {
            Lines.Add(ReadyLine.Format(role, values));
        }
    }
}
