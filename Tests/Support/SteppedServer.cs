using Xunit.Abstractions;

namespace Plane.Testing;

/// <summary>A real PostgreSQL server whose wall clock a test sets while it runs.</summary>
public sealed class SteppedServer : IAsyncDisposable
{
    private readonly TempDirectory _directory = new();
    private PostgresServer? _server;

    private SteppedServer()
    {
        Set("+0");
        File.SetUnixFileMode(_directory.Path, (UnixFileMode)0b111_101_101);
        File.SetUnixFileMode(Offset, (UnixFileMode)0b110_100_100);
    }

    /// <summary>The server.</summary>
    public PostgresServer Server => _server!;

    private string Offset => _directory["offset"];

    /// <summary>Starts one whose clock is right.</summary>
    public static async Task<SteppedServer> StartAsync(ITestOutputHelper output)
    {
        var stepped = new SteppedServer();
        stepped._server = await PostgresServer.StartAsync(output, environment: new Dictionary<string, string?>
        {
            ["LD_PRELOAD"] = Library(),
            ["FAKETIME_TIMESTAMP_FILE"] = stepped.Offset,
            ["FAKETIME_NO_CACHE"] = "1",
            ["FAKETIME_DISABLE_SHM"] = "1",
            ["FAKETIME_DONT_FAKE_MONOTONIC"] = "1",
        });
        return stepped;
    }

    /// <summary>From now on its clock is so many seconds off, as <c>+30</c> or <c>-15</c>.</summary>
    public void Set(string seconds) => File.WriteAllText(Offset, seconds);

    public async ValueTask DisposeAsync()
    {
        if (_server is not null)
        {
            await _server.DisposeAsync();
        }

        _directory.Dispose();
    }

    private static string Library() => Directory.GetDirectories("/usr/lib").Append("/usr/local/lib")
        .SelectMany(d => new[] { $"{d}/faketime/libfaketime.so.1", $"{d}/libfaketime.so.1" })
        .FirstOrDefault(File.Exists) ?? throw new InvalidOperationException("libfaketime was not found: install the package faketime");
}
