using System.Diagnostics;

namespace Plane.Testing;

/// <summary>A small file system in memory.</summary>
public sealed class SmallDisk : IDisposable
{
    private readonly TempDirectory _directory = new();

    /// <summary>The path of a file on it.</summary>
    public string this[string name] => Path.Combine(_directory["disk"], name);

    /// <summary>Makes one; as root.</summary>
    /// <param name="megabytes">Its size.</param>
    public static async Task<SmallDisk> MountAsync(int megabytes = 4)
    {
        var disk = new SmallDisk();
        Directory.CreateDirectory(disk._directory["disk"]);
        var (code, lines) = await RunningProgram.RunAsync("mount", ["-t", "tmpfs", "-o", $"size={megabytes}m", "none", disk._directory["disk"]]);
        Assert.True(code == 0, string.Join('\n', lines));
        return disk;
    }

    /// <summary>Leaves no room, also where it was filled before and there is some again.</summary>
    public void Fill()
    {
        using var file = new FileStream(this["filler"], FileMode.Append, FileAccess.Write, FileShare.None, 0);
        try
        {
            // Page by page to the very end.
            var page = new byte[4096];
            while (true)
            {
                file.Write(page);
            }
        }
        catch (IOException e)
        {
            Assert.Contains("space", e.Message, StringComparison.OrdinalIgnoreCase);
        }
    }

    /// <summary>Makes room.</summary>
    public void Free() => File.Delete(this["filler"]);

    public void Dispose()
    {
        // Lazily: an agent that was just killed may still have a file of it open.
        using var unmount = Process.Start("umount", ["-l", _directory["disk"]]);
        unmount.WaitForExit();
        _directory.Dispose();
    }
}
