using System.Globalization;

namespace Plane.Bench;

/// <summary>The command line: names of benches (all where none is given), <c>--rounds N</c>, <c>--seconds N</c> a round, <c>--out FILE</c>.</summary>
internal sealed record BenchOptions(IReadOnlyList<string> Names, int Rounds, int Seconds, string? Output)
{
    public bool Chosen(string bench) => Names.Count == 0 || Names.Contains(bench);

    /// <summary>Null, with an explanation on standard error, where the arguments make no sense.</summary>
    public static BenchOptions? Parse(string[] arguments, IReadOnlyList<string> known)
    {
        var names = new List<string>();
        var (rounds, seconds) = (5, 4);
        string? output = null;
        for (var i = 0; i < arguments.Length; i++)
        {
            var value = i + 1 < arguments.Length ? arguments[i + 1] : "";
            switch (arguments[i])
            {
                case "--rounds" when int.TryParse(value, CultureInfo.InvariantCulture, out rounds) && rounds is >= 1 and <= 50:
                case "--seconds" when int.TryParse(value, CultureInfo.InvariantCulture, out seconds) && seconds is >= 1 and <= 60:
                    i++;
                    break;
                case "--out" when value.Length > 0:
                    output = Path.GetFullPath(value);
                    i++;
                    break;
                case var name when known.Contains(name):
                    names.Add(name);
                    break;
                default:
                    Console.Error.WriteLine($"plane bench: '{arguments[i]}' is not understood. Benches: {string.Join(", ", known)}. Options: --rounds 1..50, --seconds 1..60, --out FILE.");
                    return null;
            }
        }

        return new BenchOptions(names, rounds, seconds, output);
    }
}
