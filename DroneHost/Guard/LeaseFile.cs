using System.Text.Json;
using Plane.DroneHost.Runtimes;
using Plane.DroneHost.Runtimes.Process;

namespace Plane.DroneHost.Guard;

/// <summary>
/// What the guard must know of a backend to end it without the agent. Deadlines are those that the controller gave, never later: a file that is older than the
/// agent's memory ends a backend early, one that promised more would break the key.
/// </summary>
internal sealed record LeaseFile
{
    public const int CurrentFormat = 1;

    /// <summary>No file of ours comes near it.</summary>
    private const int MaxBytes = 16 * 1024;

    /// <summary>No lease is longer (each lease number is at most an hour): a later deadline is none that a controller gave.</summary>
    private const long LongestLease = 2 * 3_600_000;

    public int Format { get; init; } = CurrentFormat;

    public required string Backend { get; init; }

    public required long Token { get; init; }

    public required string Instance { get; init; }

    public required string Boot { get; init; }

    public required long RenewAt { get; init; }

    public required long SoftAt { get; init; }

    public required long HardAt { get; init; }

    /// <summary><c>docker</c> or <c>process</c>; null where only its process can be ended.</summary>
    public string? Runtime { get; init; }

    /// <summary>The container's name, or the directory of a process's files.</summary>
    public string? Name { get; init; }

    /// <summary>How long a runtime may take before the process is killed directly.</summary>
    public int ConfirmMilliseconds { get; init; } = 2_000;

    /// <summary>The process to kill where the runtime doesn't answer, once known.</summary>
    public int? Pid { get; init; }

    /// <summary>That process's start time.</summary>
    public long? StartTime { get; init; }

    public static LeaseFile Of(BackendIdentity backend, LeaseDeadlines deadlines, GuardTarget target, TimeSpan confirm) => new()
    {
        Backend = backend.Backend.Value,
        Token = backend.Token.Value,
        Instance = deadlines.InstanceId,
        Boot = deadlines.BootId,
        RenewAt = deadlines.RenewAt,
        SoftAt = deadlines.SoftAt,
        HardAt = deadlines.HardAt,
        Runtime = target.Runtime,
        Name = target.Name,
        ConfirmMilliseconds = (int)confirm.TotalMilliseconds,
    };

    /// <summary>The process to kill, where known.</summary>
    public ProcessIdentity? Process() => Pid is { } pid and > 1 && StartTime is { } start ? new ProcessIdentity(pid, start) : null;

    public LeaseDeadlines Deadlines() => new() { InstanceId = Instance, BootId = Boot, RenewAt = RenewAt, SoftAt = SoftAt, HardAt = HardAt };

    /// <summary>The same with later deadlines; an answer that was overtaken moves nothing back.</summary>
    public LeaseFile With(LeaseDeadlines deadlines) => deadlines.InstanceId != Instance || deadlines.BootId != Boot
        ? this
        : this with
        {
            RenewAt = Math.Max(RenewAt, deadlines.RenewAt),
            SoftAt = Math.Max(SoftAt, deadlines.SoftAt),
            HardAt = Math.Max(HardAt, deadlines.HardAt),
        };

    public byte[] ToBytes() => JsonSerializer.SerializeToUtf8Bytes(this, GuardJson.Default.LeaseFile);

    /// <summary>Reads one.</summary>
    /// <param name="path">The file.</param>
    /// <param name="backend">The backend that its name says.</param>
    /// <param name="clock">This machine's clock.</param>
    /// <param name="problem">Why it can't be used; null with null where it isn't there.</param>
    public static LeaseFile? Read(string path, BackendIdentity backend, ILeaseClock clock, out string? problem)
    {
        problem = null;
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, 0);
            var bytes = new byte[MaxBytes + 1];
            var length = file.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
            if (length > MaxBytes)
            {
                problem = $"it is longer than {MaxBytes} bytes";
                return null;
            }

            var lease = JsonSerializer.Deserialize(bytes.AsSpan(0, length), GuardJson.Default.LeaseFile);
            problem = lease is null ? "it is empty" : lease.Problem(backend, clock);
            return problem is null ? lease : null;
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            problem = RuntimeText.Shown(e.Message);
            return null;
        }
    }

    private string? Problem(BackendIdentity backend, ILeaseClock clock)
    {
        if (Format != CurrentFormat)
        {
            return $"its format is {Format}, this program knows {CurrentFormat}";
        }

        if (Backend != backend.Backend.Value || Token != backend.Token.Value)
        {
            return "it names another backend than its file";
        }

        if (string.IsNullOrEmpty(Instance) || string.IsNullOrEmpty(Boot) || SoftAt > HardAt || RenewAt > SoftAt
            || (Boot == clock.BootId && HardAt > clock.Milliseconds + LongestLease))
        {
            return "its deadlines are none that a controller gives";
        }

        return Runtime switch
        {
            null => null,
            GuardTarget.Docker => Name == GuardTarget.ContainerOf(backend) ? null : "it names a container that is not the backend's",
            GuardTarget.Processes => Name is not null && Path.IsPathFullyQualified(Name) && Path.GetFileName(Name) == BackendFiles.NameOf(backend)
                ? null
                : "it names a directory that is not the backend's",
            _ => $"no runtime is called {RuntimeText.Shown(Runtime)}",
        };
    }
}
