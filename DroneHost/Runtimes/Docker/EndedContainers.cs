using System.Text.Json;
using System.Text.Json.Serialization;
using Plane.DroneHost.Runtimes.Process;
using Plane.Files;

namespace Plane.DroneHost.Runtimes.Docker;

/// <summary>
/// What is kept of containers that were removed at their end, a directory each: <c>output</c>, the last of what it wrote, <c>output.lines</c>, the time and the stream of each of these lines, and <c>exit</c>,
/// how it ended, for an agent that comes after one that died between the removal and the record of the end.
/// </summary>
/// <param name="root">This instance's directory.</param>
/// <param name="mostKept">
/// The most that pruning leaves, whatever their age: each may have more than a megabyte, all are read at each listing, and a backend that fails at once is started again and again.
/// </param>
internal sealed class EndedContainers(string root, int mostKept = 10_000)
{
    /// <summary>Where a backend's output is kept.</summary>
    public string OutputOf(BackendIdentity backend) => Path.Combine(DirectoryOf(backend), "output");

    /// <summary>How it ended, if that was kept.</summary>
    public BackendExit? Find(BackendIdentity backend)
    {
        try
        {
            return JsonSerializer.Deserialize(File.ReadAllBytes(ExitOf(backend)), EndedJson.Default.KeptExit) is { } kept
                ? new BackendExit(backend, kept.ExitCode, kept.Message) { Cause = kept.Cause }
                : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            // Not kept, or not readable: then it isn't known.
            return null;
        }
    }

    /// <summary>The last of what it wrote; null where that was not kept or can't be read.</summary>
    public byte[]? ReadOutput(BackendIdentity backend)
    {
        try
        {
            return File.ReadAllBytes(OutputOf(backend));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>The lines of what it wrote; null where that was not kept or can't be read.</summary>
    public IReadOnlyList<OutputLine>? ReadLines(BackendIdentity backend) =>
        ReadOutput(backend) is { } output ? KeptOutput.Lines(output, ReadOrEmpty(Path.Combine(DirectoryOf(backend), "output.lines"))) : null;

    /// <summary>All whose end is kept.</summary>
    public IEnumerable<BackendExit> All() => Directories().Select(d => Find(d.Backend)).OfType<BackendExit>();

    /// <summary>Keeps an end.</summary>
    /// <exception cref="IOException">It could not be written.</exception>
    /// <exception cref="UnauthorizedAccessException">It could not be written.</exception>
    public void Keep(BackendExit exit, KeptOutput output)
    {
        PrivateFile.CreateDirectory(DirectoryOf(exit.Backend));
        PrivateFile.Replace(
            ExitOf(exit.Backend),
            JsonSerializer.SerializeToUtf8Bytes(new KeptExit(exit.ExitCode, exit.Message, exit.Cause), EndedJson.Default.KeptExit));
        PrivateFile.Replace(Path.Combine(DirectoryOf(exit.Backend), "output.lines"), output.Marks);
        PrivateFile.Replace(OutputOf(exit.Backend), output.Text);
    }

    /// <summary>Removes what was kept before a moment, and of the rest the oldest where there are too many.</summary>
    /// <param name="before">The moment.</param>
    /// <param name="notRemoved">Called for each directory that cannot be removed; the others are.</param>
    /// <returns>How many were removed.</returns>
    public int Prune(DateTimeOffset before, Action<string, Exception> notRemoved)
    {
        var removed = 0;
        var newestFirst = Directories().Select(d => (KeptAt: Directory.GetLastWriteTimeUtc(d.Path), d.Path)).OrderByDescending(d => d.KeptAt);
        foreach (var (index, (keptAt, directory)) in newestFirst.Index())
        {
            if (index < mostKept && keptAt > before)
            {
                continue;
            }

            try
            {
                Directory.Delete(directory, recursive: true);
                removed++;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                notRemoved(directory, e);
            }
        }

        return removed;
    }

    private static byte[] ReadOrEmpty(string path)
    {
        try
        {
            return File.ReadAllBytes(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Kept by an earlier version: the lines are there, and their times are not known.
            return [];
        }
    }

    private string DirectoryOf(BackendIdentity backend) => Path.Combine(root, BackendFiles.NameOf(backend));

    private string ExitOf(BackendIdentity backend) => Path.Combine(DirectoryOf(backend), "exit");

    private IEnumerable<(BackendIdentity Backend, string Path)> Directories() => Directory.Exists(root)
        ? Directory.EnumerateDirectories(root)
            .Select(d => (Backend: BackendFiles.TryParseName(Path.GetFileName(d)), Path: d))
            .Where(d => d.Backend is not null)
            .Select(d => (d.Backend!.Value, d.Path))
        : [];
}

/// <summary>How a container ended, as it is kept.</summary>
internal sealed record KeptExit(int? ExitCode, string? Message, ExitCause? Cause);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(KeptExit))]
internal sealed partial class EndedJson : JsonSerializerContext;
