namespace Plane.Testing;

/// <summary>A directory of its own for one test, gone with it.</summary>
public sealed class TempDirectory : IDisposable
{
    /// <summary>
    /// Makes one, named after the run so that <c>./plane test</c> finds what a crashed run left. Short: unix sockets in it must stay under
    /// 108 bytes.
    /// </summary>
    public TempDirectory(string? parent = null)
    {
        Path = System.IO.Path.Combine(parent ?? System.IO.Path.GetTempPath(), $"pt-{Checkout.Run}-{Guid.NewGuid().ToString("N")[..8]}");
        Directory.CreateDirectory(Path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    /// <summary>Its absolute path.</summary>
    public string Path { get; }

    /// <summary>A path in it.</summary>
    public string this[string name] => System.IO.Path.Combine(Path, name);

    public override string ToString() => Path;

    public void Dispose()
    {
        // A process that is just being killed may still write here.
        for (var attempt = 0; ; attempt++)
        {
            try
            {
                Directory.Delete(Path, recursive: true);
                return;
            }
            catch (DirectoryNotFoundException)
            {
                return;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException && attempt < 5)
            {
                Thread.Yield();
            }
        }
    }
}
