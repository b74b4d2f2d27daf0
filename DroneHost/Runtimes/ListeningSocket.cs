using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Plane.DroneHost.Runtimes;

/// <summary>A TCP socket that listens, as <c>/proc/net/tcp</c> and <c>tcp6</c> show it.</summary>
/// <param name="EndPoint">Where it listens.</param>
/// <param name="Inode">The number by which a process's open files name it.</param>
internal readonly record struct ListeningSocket(IPEndPoint EndPoint, long Inode)
{
    private const string Listens = "0A";

    /// <summary>Those of a process's network namespace; of this process's own where none is given.</summary>
    public static IReadOnlyList<ListeningSocket> In(int? pid = null)
    {
        var directory = pid is { } number ? string.Create(CultureInfo.InvariantCulture, $"/proc/{number}/net") : "/proc/self/net";
        return [.. ReadTable($"{directory}/tcp"), .. ReadTable($"{directory}/tcp6")];
    }

    /// <summary>
    /// Of these the ones that a connection to the address may reach, as the kernel chooses: one bound to the very address before one bound to all addresses, and of each an IPv4
    /// socket before an IPv6 one. More than one only where they share a port on purpose (SO_REUSEPORT).
    /// </summary>
    public static IReadOnlyList<ListeningSocket> Reached(IEnumerable<ListeningSocket> sockets, IPEndPoint address) =>
        sockets.Select(s => (Socket: s, Rank: s.RankFor(address))).Where(s => s.Rank is not null).GroupBy(s => s.Rank!.Value).MinBy(g => g.Key) is { } nearest
            ? [.. nearest.Select(s => s.Socket)]
            : [];

    /// <summary>The sockets among a process's open files; none where it has ended or this user may not look.</summary>
    public static IEnumerable<long> OpenIn(int pid)
    {
        var inodes = new List<long>();
        try
        {
            foreach (var file in Directory.EnumerateFileSystemEntries(string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/fd")))
            {
                // "socket:[12345]"
                if (new FileInfo(file).LinkTarget is { } target
                    && target.StartsWith("socket:[", StringComparison.Ordinal)
                    && long.TryParse(target.AsSpan("socket:[".Length).TrimEnd(']'), NumberStyles.None, CultureInfo.InvariantCulture, out var inode))
                {
                    inodes.Add(inode);
                }
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It ended, or closed the file meanwhile; or another user's. What was not seen is not taken for its own.
            return inodes;
        }

        return inodes;
    }

    private int? RankFor(IPEndPoint address)
    {
        if (EndPoint.Port != address.Port)
        {
            return null;
        }

        var isV4 = address.AddressFamily == AddressFamily.InterNetwork;
        return EndPoint.Address switch
        {
            var own when own.Equals(address.Address) => 0,
            { IsIPv4MappedToIPv6: true } own when own.MapToIPv4().Equals(address.Address) => 1,
            var own when own.Equals(IPAddress.Any) && isV4 => 2,
            var own when own.Equals(IPAddress.IPv6Any) => 3,
            _ => null,
        };
    }

    private static IEnumerable<ListeningSocket> ReadTable(string file)
    {
        // tcp6 is missing where IPv6 is switched off.
        if (!File.Exists(file))
        {
            yield break;
        }

        // "sl local_address rem_address st tx:rx tr:tm retrnsmt uid timeout inode …", addresses as hexadecimal numbers of 32 bits in the machine's byte order.
        foreach (var fields in File.ReadLines(file).Skip(1).Select(l => l.Split(' ', StringSplitOptions.RemoveEmptyEntries)))
        {
            if (fields.Length > 9
                && fields[3] == Listens
                && fields[1].Split(':') is [var host, var port]
                && long.TryParse(fields[9], NumberStyles.None, CultureInfo.InvariantCulture, out var inode))
            {
                yield return new ListeningSocket(new IPEndPoint(ParseAddress(host), int.Parse(port, NumberStyles.HexNumber, CultureInfo.InvariantCulture)), inode);
            }
        }
    }

    private static IPAddress ParseAddress(string text)
    {
        var bytes = Convert.FromHexString(text);
        if (BitConverter.IsLittleEndian)
        {
            for (var i = 0; i < bytes.Length; i += 4)
            {
                bytes.AsSpan(i, 4).Reverse();
            }
        }

        return new IPAddress(bytes);
    }
}
