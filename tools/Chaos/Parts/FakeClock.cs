using System.Globalization;

namespace Plane.Chaos.Parts;

/// <summary>A wall clock that can be set, for one program: libfaketime, which leaves the monotonic clocks alone.</summary>
internal static class FakeClock
{
    /// <summary>The library, if the machine has it (Debian: <c>faketime</c>).</summary>
    public static string? Find() => Directory.Exists("/usr/lib")
        ? Directory.EnumerateFiles("/usr/lib", "libfaketimeMT.so.1", new EnumerationOptions { RecurseSubdirectories = true, MaxRecursionDepth = 2, IgnoreInaccessible = true }).FirstOrDefault()
        : null;

    public static void Add(Dictionary<string, string> environment, string library, string file)
    {
        environment["LD_PRELOAD"] = library;
        environment["FAKETIME_TIMESTAMP_FILE"] = file;
        environment["FAKETIME_DONT_FAKE_MONOTONIC"] = "1";

        // What it does for older C libraries makes each timed wait on a monotonic clock return at once: .NET's timers would spin, and starve the machine.
        environment["FAKETIME_FORCE_MONOTONIC_FIX"] = "0";
        environment["FAKETIME_CACHE_DURATION"] = "1";
        environment["FAKETIME_DISABLE_SHM"] = "1";
    }

    public static void Set(string file, TimeSpan offset)
    {
        // Read at any moment: never half written.
        File.WriteAllText(file + ".new", string.Create(CultureInfo.InvariantCulture, $"{(offset < TimeSpan.Zero ? "" : "+")}{(long)offset.TotalSeconds}"));
        File.Move(file + ".new", file, overwrite: true);
    }
}
