using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using Plane.Files;

namespace Plane.DroneHost.Runtimes.Process;

/// <summary>
/// The directory of one backend: what the agent and the launcher (<c>launcher.sh</c>, which lists its files) tell each other. The agent writes
/// <c>spec</c> before the launcher is started, <c>ended</c> (nothing may start any more) and <c>gone</c> (it was made sure that nothing runs).
/// </summary>
internal sealed class BackendFiles(string root, BackendIdentity backend, string suffix = "")
{
    /// <summary>The backend.</summary>
    public BackendIdentity Backend { get; } = backend;

    /// <summary>Its directory.</summary>
    public string Directory { get; } = Path.Combine(root, NameOf(backend) + suffix);

    /// <summary>Where <see cref="MoveAside"/> moves it. No directory of a backend has such a name, so no listing shows it.</summary>
    public BackendFiles Aside => new(root, Backend, ".old");

    /// <summary>Where it starts and what its HOME is, if it says nothing else.</summary>
    public string Work => Path.Combine(Directory, "work");

    /// <summary>What it writes.</summary>
    public string Output => Path.Combine(Directory, "output");

    /// <summary>What was moved aside of it.</summary>
    public string OlderOutput => Path.Combine(Directory, "output.1");

    /// <summary>Where in all that it wrote these two files begin.</summary>
    public string OutputPlaces => Path.Combine(Directory, "output.places");

    /// <summary>When it had written how much.</summary>
    public string OutputTimes => Path.Combine(Directory, "output.times");

    public bool Exists => System.IO.Directory.Exists(Directory);

    public bool IsStarted => File.Exists(At("started"));

    public bool IsRefused => File.Exists(At("refused"));

    public bool IsEnded => File.Exists(At("ended"));

    public bool IsGone => File.Exists(At("gone"));

    /// <summary>The launcher, once it has said so.</summary>
    public ProcessIdentity? Launcher => ReadIdentity("pid");

    /// <summary>The command's process, once it is about to be executed.</summary>
    public ProcessIdentity? Child => ReadIdentity("child");

    /// <summary>Its exit code, once known.</summary>
    public int? ExitCode => ReadLine("exit") is { } line && int.TryParse(line, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var code) ? code : null;

    /// <summary>When it ended, as far as its files tell.</summary>
    public DateTimeOffset? EndedAt
    {
        get
        {
            foreach (var name in (ReadOnlySpan<string>)["gone", "exit", "ended"])
            {
                if (File.Exists(At(name)))
                {
                    return File.GetLastWriteTimeUtc(At(name));
                }
            }

            return null;
        }
    }

    /// <summary>The directory's name of a backend, which a guard's mark has too.</summary>
    public static string NameOf(BackendIdentity backend) => $"{backend.Backend.Value}.{backend.Token}";

    /// <summary>The backend whose <see cref="NameOf"/> this is, or null.</summary>
    public static BackendIdentity? TryParseName(string name)
    {
        var dot = name.LastIndexOf('.');
        return dot > 0
            && BackendName.TryParse(name[..dot], out var backend)
            && long.TryParse(name.AsSpan(dot + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var token)
                ? new BackendIdentity(backend, new FencingToken(token))
                : null;
    }

    /// <summary>Every backend that has a directory.</summary>
    public static IEnumerable<BackendFiles> All(string root)
    {
        if (!System.IO.Directory.Exists(root))
        {
            yield break;
        }

        foreach (var directory in System.IO.Directory.EnumerateDirectories(root))
        {
            if (TryParseName(Path.GetFileName(directory)) is { } backend)
            {
                yield return new BackendFiles(root, backend);
            }
        }
    }

    public BackendSpec? ReadSpec()
    {
        try
        {
            return JsonSerializer.Deserialize(File.ReadAllBytes(At("spec")), ProcessJson.Default.BackendSpec);
        }
        catch (Exception e) when (e is IOException or JsonException)
        {
            // Not there, or the machine went down while it was written: then nothing was started from it.
            return null;
        }
    }

    public void WriteSpec(BackendSpec spec)
    {
        PrivateFile.CreateDirectory(Directory);
        PrivateFile.CreateDirectory(Work);
        File.WriteAllBytes(At("spec"), JsonSerializer.SerializeToUtf8Bytes(spec, ProcessJson.Default.BackendSpec));
    }

    /// <summary>From here on no launcher of this directory starts the command, however late it comes.</summary>
    public void MarkEnded()
    {
        if (!IsEnded)
        {
            File.WriteAllText(At("ended"), "");
        }
    }

    /// <summary>It was made sure that nothing of it runs; looking for its processes by their numbers ends here.</summary>
    public void MarkGone(int? exitCode)
    {
        if (exitCode is { } code && ExitCode is null)
        {
            File.WriteAllText(At("exit"), string.Create(CultureInfo.InvariantCulture, $"{code}\n"));
        }

        File.WriteAllText(At("gone"), "");
    }

    /// <summary>
    /// Takes the directory out of every launcher's reach at one moment: one that has written its number is in <see cref="Aside"/> and can be ended, any other finds
    /// nothing, or in a new directory at most one of them continues.
    /// </summary>
    public void MoveAside() => System.IO.Directory.Move(Directory, Aside.Directory);

    /// <summary>Removes the directory. What cannot be removed is most likely the backend's own: that goes first, so that the files which say that it has ended do not go without it.</summary>
    public void Delete()
    {
        try
        {
            if (new DirectoryInfo(Work) is { Exists: true, LinkTarget: null })
            {
                System.IO.Directory.Delete(Work, recursive: true);
            }

            System.IO.Directory.Delete(Directory, recursive: true);
        }
        catch (DirectoryNotFoundException)
        {
            // Which is what was wanted.
        }
    }

    private string At(string name) => Path.Combine(Directory, name);

    private ProcessIdentity? ReadIdentity(string name) =>
        ReadLine(name)?.Split(' ') is [var first, var second]
        && int.TryParse(first, NumberStyles.None, CultureInfo.InvariantCulture, out var pid)
        && long.TryParse(second, NumberStyles.None, CultureInfo.InvariantCulture, out var start)
            ? new ProcessIdentity(pid, start)
            : null;

    private string? ReadLine(string name)
    {
        try
        {
            var text = File.ReadAllText(At(name));
            return text.EndsWith('\n') ? text[..^1] : null;
        }
        catch (IOException)
        {
            return null;
        }
    }
}

/// <summary>What the agent must know of a backend after its own restart.</summary>
/// <param name="Address">Where it answers.</param>
/// <param name="BootId">The boot it was started in: pids of another one mean nothing.</param>
/// <param name="Cgroup">Its cgroup's directory, or null.</param>
internal sealed record BackendSpec(string Address, string BootId, string? Cgroup);

[JsonSerializable(typeof(BackendSpec))]
internal sealed partial class ProcessJson : JsonSerializerContext;
