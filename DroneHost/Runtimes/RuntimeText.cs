namespace Plane.DroneHost.Runtimes;

/// <summary>Texts from outside, made fit for a message that is stored and shown.</summary>
internal static class RuntimeText
{
    private const int Longest = 1000;

    /// <summary>One line of at most 1,000 characters without control characters.</summary>
    public static string Shown(string? text)
    {
        var trimmed = (text ?? "").AsSpan().Trim();
        var cut = trimmed.Length > Longest;
        var line = string.Create(cut ? Longest : trimmed.Length, cut ? trimmed[..Longest].ToString() : trimmed.ToString(), (span, from) =>
        {
            for (var i = 0; i < span.Length; i++)
            {
                span[i] = char.IsControl(from[i]) || char.IsSurrogate(from[i]) ? ' ' : from[i];
            }
        });
        return cut ? line + "…" : line;
    }
}
