namespace Plane.Chaos.Parts;

/// <summary>Where everything of one run is.</summary>
internal sealed class Folder(string path)
{
    public string Path { get; } = System.IO.Path.GetFullPath(path);

    /// <summary>The programs' output.</summary>
    public string Logs => At("logs");

    /// <summary>What the backends wrote of their lives.</summary>
    public string Records => At("records");

    /// <summary>What the clients wrote.</summary>
    public string Requests => At("requests.jsonl");

    /// <summary>What the run said: seed, faults, verdict.</summary>
    public string Report => At("report.txt");

    /// <summary>A memory file system of the sandbox's own: databases, engines' data, sockets. Gone with it.</summary>
    public string Run => At("run");

    public string At(string name) => System.IO.Path.Combine(Path, name);

    public void Create()
    {
        foreach (var directory in (string[])[Path, Logs, Records, Run])
        {
            Directory.CreateDirectory(directory);
            // The database server runs as a user of its own.
            File.SetUnixFileMode(directory, (UnixFileMode)0b111_101_101);
        }
    }
}
