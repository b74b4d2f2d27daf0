using System.CommandLine;
using System.Globalization;
using Plane.Drone;
using Plane.Hosting;

namespace Plane.Cli.Roles;

/// <summary><c>--port-range</c>: the ports of a drone's backends.</summary>
internal static class PortRange
{
    /// <summary>Draws a block of ports that no other such drone on the machine uses.</summary>
    public const string Auto = "auto";

    public static Option<string?> Flag(string description) => new("--port-range") { Description = description, HelpName = "A-B|auto" };

    /// <summary>Sets a drone's ports; leaves its default where none are given.</summary>
    /// <exception cref="UsageException">It is not a range.</exception>
    public static DroneOptions Set(string? range, DroneOptions options)
    {
        if (range is null)
        {
            return options;
        }

        if (range == Auto)
        {
            options.DrawPorts = true;
            return options;
        }

        var parts = range.Split('-');
        if (parts.Length != 2
            || !ushort.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out var from)
            || !ushort.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out var to))
        {
            throw new UsageException("--port-range must be two ports, as 20000-29999, or auto");
        }

        (options.PortFrom, options.PortTo) = (from, to);
        return options;
    }
}
