using System.Net;
using System.Net.Sockets;

namespace Plane.Testing;

/// <summary>
/// Ports for programs that cannot be told "any" (or whose port must be known before they run). They lie below the kernel's ephemeral
/// range, so that no outgoing connection takes one, and are held by a lock file for the life of this process, so that tests in parallel, of this and of other runs
/// on the machine, never get the same one.
/// </summary>
public static class FreePort
{
    private const int First = 20_000;
    private const int Last = 31_999;

    private static readonly string Locks = Directory.CreateDirectory(Path.Combine(Path.GetTempPath(), "plane-test-ports")).FullName;
    private static readonly List<FileStream> Held = [];
    private static readonly Lock Gate = new();
    private static int s_next = Random.Shared.Next(First, Last);

    /// <summary>One port, free on loopback.</summary>
    public static int Next() => Range(1);

    /// <summary>The first of <paramref name="count"/> consecutive free ports.</summary>
    public static int Range(int count)
    {
        lock (Gate)
        {
            for (var tries = 0; tries < Last - First; tries++)
            {
                if (s_next + count > Last)
                {
                    s_next = First;
                }

                var start = s_next;
                var taken = new List<FileStream>();
                while (taken.Count < count && TryTake(start + taken.Count) is { } held)
                {
                    taken.Add(held);
                }

                s_next = start + taken.Count + (taken.Count < count ? 1 : 0);
                if (taken.Count == count)
                {
                    Held.AddRange(taken);
                    return start;
                }

                taken.ForEach(f => f.Dispose());
            }
        }

        throw new InvalidOperationException($"No {count} consecutive ports are free between {First} and {Last}.");
    }

    private static FileStream? TryTake(int port)
    {
        FileStream? file = null;
        try
        {
            file = new FileStream(Path.Combine(Locks, $"{port}"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, 1);
            foreach (var address in (IPAddress[])[IPAddress.Loopback, IPAddress.Any])
            {
                using var probe = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { ExclusiveAddressUse = true };
                probe.Bind(new IPEndPoint(address, port));
            }

            return file;
        }
        catch (Exception e) when (e is IOException or SocketException or UnauthorizedAccessException)
        {
            file?.Dispose();
            return null;
        }
    }
}
