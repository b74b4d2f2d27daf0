using System.Text.RegularExpressions;
using Plane.Hosting;

namespace Plane.Cli.Roles;

/// <summary>Puts the engine's words for its options, <c>gateway-cert</c>, as the command line has them, <c>--gateway-cert</c>.</summary>
internal static class FlagText
{
    /// <summary>What is wrong, with each option named by its flag.</summary>
    /// <typeparam name="T">The flags.</typeparam>
    /// <param name="problem">What is wrong, as the engine says it.</param>
    public static string Dashed<T>(string problem)
        where T : class, new()
    {
        var names = new OptionsBinder<T>().Flags.Select(f => f.Name[2..]).ToArray();

        // Without a hyphen in it, a name is also a word of plain sentences: it is the option only where it opens one, as "gateway: …". In paths neither is.
        var opening = string.Join('|', names.Select(n => $"^{n}(?=:)"));
        var hyphened = string.Join('|', names.Where(n => n.Contains('-', StringComparison.Ordinal)));
        return Regex.Replace(problem, $@"{opening}|(?<![\w/.-])(?:{hyphened})(?![\w/-]|\.\w)", "--$0", RegexOptions.CultureInvariant);
    }
}
