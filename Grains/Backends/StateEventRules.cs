using System.Net;
using System.Text;

namespace Plane.Grains.Backends;

/// <summary>
/// What a state event must be before it goes to the store. A message that is too long is cut rather than refused: an end must not be lost for
/// its words.
/// </summary>
internal static class StateEventRules
{
    public const int MaxMessage = 1_000;

    private const int MaxOutputTail = 8 * 1024;

    private const int MaxAddress = 64;

    /// <summary>Why the event is refused, or null.</summary>
    public static string? Refusal(StateEvent e) =>
        e.Identity.Backend == default || e.Identity.Token.Value <= 0 ? "the event names no backend and fencing token"
        : !Enum.IsDefined(e.Status) ? "the event's state is unknown"
        : e.Status == BackendStatus.Scheduled ? "only the controller schedules"
        : e.Address is not null && !IsEndPoint(e.Address) ? "the address is no IP address with a port"
        : e.Status == BackendStatus.Ready && e.Address is null ? "a backend that is ready has an address"
        : null;

    /// <summary>The event as it is stored.</summary>
    public static StateEvent Cleaned(StateEvent e) =>
        e.Message is null && e.OutputTail is null
            ? e
            : e with { Message = e.Message is null ? null : CleanText(e.Message), OutputTail = e.OutputTail is null ? null : CleanOutput(e.OutputTail) };

    private static bool IsEndPoint(string address) => address.Length <= MaxAddress && IPEndPoint.TryParse(address, out var point) && point.Port > 0;

    // A drone has cut and cleaned it; one that did not must not fill the database, nor control the terminal that shows it.
    private static string CleanOutput(string text) =>
        string.Concat(text[Math.Max(0, text.Length - MaxOutputTail)..].EnumerateRunes().Select(r => (r.Value == '\n' || !Rune.IsControl(r) ? r : Rune.ReplacementChar).ToString()));

    // Neither database takes NUL in a text, and an unpaired surrogate can't be encoded: one such event would be sent for ever.
    private static string CleanText(string text)
    {
        var clean = new StringBuilder(Math.Min(text.Length, MaxMessage));
        foreach (var rune in text.EnumerateRunes())
        {
            if (clean.Length + rune.Utf16SequenceLength > MaxMessage)
            {
                break;
            }

            clean.Append((rune.Value == 0 ? Rune.ReplacementChar : rune).ToString());
        }

        return clean.ToString();
    }
}
