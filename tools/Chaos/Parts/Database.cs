using System.Globalization;
using System.Net;

namespace Plane.Chaos.Parts;

/// <summary>A PostgreSQL server of the run's own, as durable as the product demands.</summary>
internal sealed class Database(Folder folder)
{
    private const string Ready = "database system is ready to accept connections";
    private const string User = "postgres";

    private readonly string _data = Path.Combine(folder.Run, "postgres");

    public static IPEndPoint Address { get; } = new(IPAddress.Loopback, 5432);

    public Part Part { get; private set; } = null!;

    /// <summary>For one who reaches it at another address.</summary>
    public static string Url(string host) => $"postgres://{User}@{host}:{Address.Port}/postgres";

    public async Task StartAsync()
    {
        Directory.CreateDirectory(_data);
        await Tool.RunAsync("chown", [User, _data]);
        File.SetUnixFileMode(_data, (UnixFileMode)0b111_000_000);
        string[] asUser = ["setpriv", "--reuid", User, "--regid", User, "--clear-groups"];
        await Tool.RunAsync(asUser[0], [.. asUser[1..], Binary("initdb"), "-D", _data, "-U", User, "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C", "--no-instructions"]);
        string[] settings =
        [
            "port=5432", "listen_addresses=127.0.0.1", "unix_socket_directories=", "dynamic_shared_memory_type=mmap", "max_connections=200", "shared_buffers=64MB",
            "fsync=on", "synchronous_commit=on", "full_page_writes=on", "logging_collector=off", "lc_messages=C", "log_line_prefix=%m ",
        ];
        Part = new Part(
            "postgres",
            Path.Combine(folder.Logs, "postgres.log"),
            () => [.. asUser, Binary("postgres"), "-D", _data, .. settings.SelectMany(s => new[] { "-c", s })],
            new Dictionary<string, string>(),
            Ready);
        await AgainAsync(CancellationToken.None);
    }

    /// <summary>Starts it. The children of a crashed server notice its death by themselves, and until they have, a new one refuses.</summary>
    public async Task AgainAsync(CancellationToken cancellationToken)
    {
        for (var attempt = 0; attempt < 100; attempt++)
        {
            Part.Start();
            if (await Part.ReadyAsync(TimeSpan.FromSeconds(30), cancellationToken))
            {
                return;
            }

            await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System, cancellationToken);
        }

        throw new InvalidOperationException($"PostgreSQL does not start:\n{Part.Tail()}");
    }

    private static string Binary(string name) =>
        (Directory.Exists("/usr/lib/postgresql") ? Directory.GetDirectories("/usr/lib/postgresql") : [])
        .OrderByDescending(d => int.TryParse(Path.GetFileName(d), CultureInfo.InvariantCulture, out var version) ? version : 0)
        .Select(d => Path.Combine(d, "bin", name))
        .FirstOrDefault(File.Exists)
        ?? throw new InvalidOperationException("PostgreSQL is not in /usr/lib/postgresql: install it");
}
