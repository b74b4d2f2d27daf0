using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Json.Serialization;
using Plane.DroneHost.Runtimes;
using Plane.Files;

namespace Plane.DroneHost.Guard;

/// <summary>
/// Where agent and guard of one drone meet, on a file system in memory, so that a full disk stops neither:
/// <list type="bullet">
/// <item><c>agent.lock</c>, <c>guard.lock</c>: one of each.</item>
/// <item><c>owners</c>: the instance ids that have led backends here, one a line, written by the agent.</item>
/// <item><c>places</c>: where processes of these instances are found, as <c>instance path</c>, one a line, written by the agent.</item>
/// <item><c>lease/&lt;backend&gt;.&lt;token&gt;</c>: written by the agent alone, beside and renamed (<see cref="LeaseFile"/>).</item>
/// <item><c>ended/&lt;backend&gt;.&lt;token&gt;</c>: made by the guard alone, before it ends a backend. What has one never starts again.</item>
/// <item><c>guard</c>: who the guard is. <c>guard.log</c>: what a guard that an agent started has to say.</item>
/// </list>
/// </summary>
/// <param name="root">The directory.</param>
internal sealed partial class RunDirectory(string root)
{
    /// <summary>No file of ours has so many.</summary>
    private const int MostLines = 1_000;

    public string Root { get; } = root;

    public string Leases => Path.Combine(Root, "lease");

    public string Ended => Path.Combine(Root, "ended");

    public string AgentLock => Path.Combine(Root, "agent.lock");

    public string GuardLock => Path.Combine(Root, "guard.lock");

    public string GuardLog => Path.Combine(Root, "guard.log");

    public string LeaseOf(BackendIdentity backend) => Path.Combine(Leases, Runtimes.Process.BackendFiles.NameOf(backend));

    public string MarkOf(BackendIdentity backend) => Path.Combine(Ended, Runtimes.Process.BackendFiles.NameOf(backend));

    /// <summary>Whether a backend has a lease and was not ended by the guard, which is final.</summary>
    public bool MayRun(BackendIdentity backend) => File.Exists(LeaseOf(backend)) && !File.Exists(MarkOf(backend));

    private string Owners => Path.Combine(Root, "owners");

    private string Places => Path.Combine(Root, "places");

    private string Guard => Path.Combine(Root, "guard");

    /// <summary>
    /// Where a drone's is if nothing else is said: <c>/run/plane/&lt;name&gt;</c>, for one that isn't root its user's own directory in memory, and where there is
    /// none of these, beside the state file.
    /// </summary>
    public static string Default(DroneName name, string stateFile)
    {
        var user = EffectiveUser();
        foreach (var (parent, directory) in (ReadOnlySpan<(string, string)>)
            [("/run", "/run/plane"), ($"/run/user/{user}", $"/run/user/{user}/plane"), ("/dev/shm", $"/dev/shm/plane-{user}")])
        {
            if (Directory.Exists(parent) && IsUsable(Path.Combine(directory, name.Value)))
            {
                return Path.Combine(directory, name.Value);
            }
        }

        return Path.Combine(Path.GetDirectoryName(Path.GetFullPath(stateFile)) ?? "/", "guard");
    }

    /// <summary>Makes it, for this user alone.</summary>
    public void Create()
    {
        PrivateFile.CreateDirectory(Root);
        PrivateFile.CreateDirectory(Leases);
        PrivateFile.CreateDirectory(Ended);
        if (!OperatingSystem.IsWindows())
        {
            // Refused where it belongs to somebody else: who can write here can end backends, or keep them from being ended.
            File.SetUnixFileMode(Root, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }
    }

    /// <summary>The instance ids that have led backends here; empty where that isn't known.</summary>
    public IReadOnlySet<string> ReadOwners() => ReadLines(Owners).ToHashSet(StringComparer.Ordinal);

    /// <summary>Says that this instance leads backends here.</summary>
    public void AddOwner(string instanceId)
    {
        var owners = ReadOwners();
        if (!owners.Contains(instanceId))
        {
            PrivateFile.Replace(Owners, System.Text.Encoding.UTF8.GetBytes(string.Concat(owners.TakeLast(100).Append(instanceId).Select(o => o + "\n"))));
        }
    }

    /// <summary>Says that this instance supervises its backends elsewhere from now on, so that a guard here doesn't take them for unsupervised.</summary>
    public void RemoveOwner(string instanceId)
    {
        var owners = ReadOwners();
        if (owners.Contains(instanceId))
        {
            PrivateFile.Replace(Owners, System.Text.Encoding.UTF8.GetBytes(string.Concat(owners.Where(o => o != instanceId).Select(o => o + "\n"))));
        }
    }

    /// <summary>Where processes of an instance are found.</summary>
    public IReadOnlyList<string> ReadPlaces(string instanceId) => [.. ReadLines(Places).Where(l => IsOf(l, instanceId)).Select(l => l[(instanceId.Length + 1)..])];

    /// <summary>Says where processes of this instance are found, besides where they were found before.</summary>
    public void AddPlaces(string instanceId, IEnumerable<string> paths)
    {
        var known = ReadLines(Places);
        var added = paths.Select(p => $"{instanceId} {p}").Where(l => !known.Contains(l)).ToList();
        if (added.Count > 0)
        {
            PrivateFile.Replace(Places, System.Text.Encoding.UTF8.GetBytes(string.Concat(known.TakeLast(MostLines / 2).Concat(added).Select(l => l + "\n"))));
        }
    }

    /// <summary>Who the guard is, or last was.</summary>
    public GuardPresence? ReadGuard()
    {
        try
        {
            return JsonSerializer.Deserialize(File.ReadAllBytes(Guard), GuardJson.Default.GuardPresence);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            return null;
        }
    }

    public void WriteGuard(GuardPresence guard) => PrivateFile.Replace(Guard, JsonSerializer.SerializeToUtf8Bytes(guard, GuardJson.Default.GuardPresence));

    /// <summary>Whether a lease is here, readable or not.</summary>
    public bool HasLeases
    {
        get
        {
            try
            {
                return Directory.EnumerateFiles(Leases).Any(f => !Path.GetFileName(f).StartsWith('.'));
            }
            catch (DirectoryNotFoundException)
            {
                return false;
            }
        }
    }

    /// <summary>Removes all of it. Only for who holds both locks, or holds one and has seen the other free.</summary>
    public void Remove()
    {
        try
        {
            Directory.Delete(Root, recursive: true);
        }
        catch (DirectoryNotFoundException)
        {
            // Which is what was wanted.
        }
    }

    private static bool IsOf(string line, string instanceId) =>
        line.Length > instanceId.Length + 1 && line.StartsWith(instanceId, StringComparison.Ordinal) && line[instanceId.Length] == ' ';

    private static List<string> ReadLines(string file)
    {
        try
        {
            return [.. File.ReadLines(file).Take(MostLines).Where(l => l.Length > 0)];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Not written yet, or not this user's.
            return [];
        }
    }

    private static bool IsUsable(string directory)
    {
        try
        {
            new RunDirectory(directory).Create();
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    [LibraryImport("libc", EntryPoint = "geteuid")]
    private static partial uint EffectiveUser();
}

/// <summary>Who a guard is.</summary>
/// <param name="Pid">Its process.</param>
/// <param name="StartTime">That process's start time.</param>
/// <param name="BootId">The boot that both belong to.</param>
/// <param name="Version">Its program's version.</param>
/// <param name="EndsWithAgent">Whether an agent started it: it ends once there is no agent and nothing to guard.</param>
internal sealed record GuardPresence(int Pid, long StartTime, string BootId, string Version, bool EndsWithAgent)
{
    public ProcessIdentity Process => new(Pid, StartTime);
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(GuardPresence))]
[JsonSerializable(typeof(LeaseFile))]
internal sealed partial class GuardJson : JsonSerializerContext;
