using System.Globalization;
using Npgsql;
using Xunit.Abstractions;

namespace Plane.Testing;

/// <summary>
/// A real PostgreSQL server on loopback, of its own or shared by the whole run. Durable as the product demands (<c>fsync</c> and
/// <c>synchronous_commit</c> on), but on a memory file system where there is one, which makes syncing cheap.
/// </summary>
public sealed class PostgresServer : IAsyncDisposable
{
    private const string Ready = "database system is ready to accept connections";

    private static readonly Lazy<Task<PostgresServer>> SharedServer = new(StartSharedAsync);

    private readonly TempDirectory? _directory;
    private readonly SemaphoreSlim _creating = new(4);
    private readonly Lock _lock = new();
    private readonly Dictionary<string, Task<string>> _templates = [];
    private RunningProgram? _program;

    private PostgresServer(string connectionString, int port, TempDirectory? directory)
    {
        AdminConnectionString = connectionString;
        Port = port;
        _directory = directory;
    }

    /// <summary>A superuser's connection to the database <c>postgres</c>.</summary>
    public string AdminConnectionString { get; }

    /// <summary>Its postmaster, where it was started here.</summary>
    public int Pid => _program?.Pid ?? throw new InvalidOperationException("This server was not started here.");

    /// <summary>Its port on 127.0.0.1.</summary>
    public int Port { get; }

    /// <summary>The server that all tests share: <c>PLANE_TEST_POSTGRES</c> (an Npgsql connection string) if set, else one started for this run.</summary>
    public static Task<PostgresServer> SharedAsync() => SharedServer.Value;

    /// <summary>A server for one test, which may stop, restart or crash it.</summary>
    /// <param name="output">Where its log goes.</param>
    /// <param name="settings">More settings, as <c>name=value</c>.</param>
    /// <param name="parent">Where its data lie; a memory file system where not given.</param>
    /// <param name="environment">More variables of its environment.</param>
    public static Task<PostgresServer> StartAsync(
        ITestOutputHelper? output = null,
        IEnumerable<string>? settings = null,
        string? parent = null,
        IReadOnlyDictionary<string, string?>? environment = null) =>
        StartAsync(null, output, settings, parent, environment);

    /// <summary>An asynchronous streaming standby of this server, which follows it when this returns.</summary>
    public Task<PostgresServer> StartStandbyAsync(ITestOutputHelper? output = null) => StartAsync(this, output, null, null, null);

    /// <summary>Stands still, with all its processes, until <see cref="Resume"/>: it keeps its connections and answers nothing.</summary>
    public void Pause()
    {
        // The postmaster first: then no process comes after its children were listed.
        Signals.Send(_program!.Pid, Signal.Stop);
        foreach (var child in Children())
        {
            Signals.Send(child, Signal.Stop);
        }
    }

    /// <summary>Continues.</summary>
    public void Resume()
    {
        foreach (var child in Children())
        {
            Signals.Send(child, Signal.Continue);
        }

        Signals.Send(_program!.Pid, Signal.Continue);
    }

    /// <summary>Runs a statement on the database <c>postgres</c>, and returns its first value.</summary>
    public async Task<object?> ScalarAsync(string sql)
    {
        await using var connection = new NpgsqlConnection(AdminConnectionString);
        await connection.OpenAsync();
#pragma warning disable CA2100 // A test's own words.
        await using var command = new NpgsqlCommand(sql, connection);
#pragma warning restore CA2100
        return await command.ExecuteScalarAsync();
    }

    private static async Task<PostgresServer> StartAsync(
        PostgresServer? primary,
        ITestOutputHelper? output,
        IEnumerable<string>? settings,
        string? parent,
        IReadOnlyDictionary<string, string?>? environment)
    {
        var directory = new TempDirectory(parent ?? (Directory.Exists("/dev/shm") ? "/dev/shm" : null));
        try
        {
            // A small disk is full after a few statements, not after the rest of a log file of 16 MB.
            return await StartInAsync(primary, directory, output, settings ?? [], environment, logFileMegabytes: parent is null ? 16 : 1);
        }
        catch
        {
            directory.Dispose();
            throw;
        }
    }

    private IEnumerable<int> Children()
    {
        foreach (var process in Directory.GetDirectories("/proc").Select(Path.GetFileName))
        {
            if (int.TryParse(process, CultureInfo.InvariantCulture, out var pid) && ParentOf(pid) == _program!.Pid)
            {
                yield return pid;
            }
        }
    }

    private static int ParentOf(int pid)
    {
        try
        {
            var stat = File.ReadAllText($"/proc/{pid}/stat");
            return int.Parse(stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[1], CultureInfo.InvariantCulture);
        }
        catch (IOException)
        {
            // Gone since it was listed.
            return 0;
        }
    }

    /// <summary>An empty database of one test's own.</summary>
    public Task<TestDatabase> CreateDatabaseAsync() => CreateAsync("template0");

    /// <summary>
    /// A database of one test's own, copied from a template that <paramref name="prepare"/> (say, the migrations) filled once a run.
    /// It must have closed its connections (<c>Pooling=false</c>) when it returns.
    /// </summary>
    public async Task<TestDatabase> CreateDatabaseAsync(string template, Func<string, Task> prepare)
    {
        Task<string> prepared;
        lock (_lock)
        {
            if (!_templates.TryGetValue(template, out prepared!))
            {
                prepared = _templates[template] = PrepareAsync(prepare);
            }
        }

        return await CreateAsync(await prepared);
    }

    /// <summary>Stops it: <see cref="Signal.Interrupt"/> is PostgreSQL's fast shutdown, <see cref="Signal.Kill"/> a crash.</summary>
    public async Task StopAsync(Signal signal = Signal.Interrupt)
    {
        var program = _program ?? throw new InvalidOperationException("This server was not started here.");
        program.Send(signal);
        await program.WaitForExitAsync();
    }

    /// <summary>Starts it again on the same port and data.</summary>
    public async Task RestartAsync(ITestOutputHelper? output = null, IEnumerable<string>? settings = null)
    {
        // The children of a crashed postmaster notice its death by themselves; a new one refuses to start until they have.
        await Eventually.SeenAsync(
            async _ =>
            {
                if (_program is { } old)
                {
                    _program = null;
                    await old.DisposeAsync();
                }

                _program = await LaunchAsync(_directory!, Port, output, settings ?? []);
                await _program.WaitForLineAsync(Ready);
                return true;
            },
            ready => ready,
            "PostgreSQL starts again");
    }

    public async ValueTask DisposeAsync()
    {
        if (_program is { } program)
        {
            // Immediate shutdown: nobody needs these data again.
            program.Send(Signal.Quit);
            await program.DisposeAsync();
        }

        _creating.Dispose();
        _directory?.Dispose();
    }

    internal async Task DropAsync(string name)
    {
        await using var connection = new NpgsqlConnection(AdminConnectionString);
        await connection.OpenAsync();
        await ExecuteAsync(connection, $"drop database if exists \"{name}\" with (force)");
    }

    private static async Task<PostgresServer> StartSharedAsync()
    {
        if (Environment.GetEnvironmentVariable("PLANE_TEST_POSTGRES") is { Length: > 0 } given)
        {
            var builder = new NpgsqlConnectionStringBuilder(given) { Pooling = false };
            return new PostgresServer(builder.ConnectionString, builder.Port, null);
        }

        var server = await StartAsync();
        AppDomain.CurrentDomain.ProcessExit += (_, _) => server.DisposeAsync().AsTask().Wait(TimeSpan.FromSeconds(5));
        return server;
    }

    private static async Task<PostgresServer> StartInAsync(
        PostgresServer? primary,
        TempDirectory directory,
        ITestOutputHelper? output,
        IEnumerable<string> settings,
        IReadOnlyDictionary<string, string?>? environment,
        int logFileMegabytes)
    {
        var user = RunAs();
        var data = directory["data"];
        if (user is not null)
        {
            // Traversable by the server's user, whose own directory lies in it.
            File.SetUnixFileMode(directory.Path, (UnixFileMode)0b111_101_101);
            Directory.CreateDirectory(data);
            await RunOrFailAsync("chown", [user, data], null);
            File.SetUnixFileMode(data, (UnixFileMode)0b111_000_000);
        }

        if (primary is null)
        {
            await RunOrFailAsync(
                Binary("initdb"),
                ["-D", data, "-U", "postgres", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C", "--no-instructions", $"--wal-segsize={logFileMegabytes}"],
                user);
        }
        else
        {
            await RunOrFailAsync(
                Binary("pg_basebackup"),
                ["-h", "127.0.0.1", "-p", $"{primary.Port}", "-U", "postgres", "-D", data, "-R", "-X", "stream", "--checkpoint=fast", "--no-sync"],
                user);
        }

        var port = FreePort.Next();
        var connection = new NpgsqlConnectionStringBuilder
        {
            Host = "127.0.0.1",
            Port = port,
            Username = "postgres",
            Database = "postgres",
            Pooling = false,
            Timeout = 15,
            GssEncryptionMode = GssEncryptionMode.Disable,
        };
        var server = new PostgresServer(connection.ConnectionString, port, directory);
        server._program = await LaunchAsync(directory, port, output, settings, environment);
        await server._program.WaitForLineAsync(primary is null ? Ready : "started streaming WAL from primary");
        return server;
    }

    private static Task<RunningProgram> LaunchAsync(
        TempDirectory directory,
        int port,
        ITestOutputHelper? output,
        IEnumerable<string> settings,
        IReadOnlyDictionary<string, string?>? environment = null)
    {
        string[] all =
        [
            $"port={port.ToString(CultureInfo.InvariantCulture)}", "listen_addresses=127.0.0.1", "unix_socket_directories=", "dynamic_shared_memory_type=mmap",
            "max_connections=400", "shared_buffers=64MB", "fsync=on", "synchronous_commit=on", "full_page_writes=on",
            "max_wal_size=512MB", "autovacuum_naptime=20s", "log_min_messages=warning", "logging_collector=off", "lc_messages=C",
            .. settings,
        ];
        // Its own variables are set last: what they preload is for the server alone, and by its own user.
        return RunningProgram.StartAsync(
            "/usr/bin/env",
            [
                .. (environment ?? new Dictionary<string, string?>()).Select(e => $"{e.Key}={e.Value}"),
                Binary("postgres"), "-D", directory["data"], .. all.SelectMany(s => new[] { "-c", s }),
            ],
            output,
            workingDirectory: "/",
            name: "postgres",
            user: RunAs());
    }

    private static async Task RunOrFailAsync(string file, string[] arguments, string? user)
    {
        await using var program = await RunningProgram.StartAsync(file, arguments, workingDirectory: "/", user: user);
        if (await program.WaitForExitAsync(TimeSpan.FromSeconds(60)) != 0)
        {
            throw new InvalidOperationException($"{file} failed with {program.ExitCode}. {program.Transcript()}");
        }
    }

    /// <summary>PostgreSQL refuses to run as root; its package brings a user.</summary>
    private static string? RunAs() => Environment.UserName == "root" ? "postgres" : null;

    private static string Binary(string name)
    {
        var candidates = Directory.Exists("/usr/lib/postgresql")
            ? Directory.GetDirectories("/usr/lib/postgresql")
                .OrderByDescending(d => int.TryParse(Path.GetFileName(d), CultureInfo.InvariantCulture, out var v) ? v : 0)
                .Select(d => Path.Combine(d, "bin"))
            : [];
        var path = Environment.GetEnvironmentVariable("PATH")?.Split(':') ?? [];
        return candidates.Concat(path).Select(d => Path.Combine(d, name)).FirstOrDefault(File.Exists)
            ?? throw new InvalidOperationException(
                $"'{name}' was found neither in /usr/lib/postgresql/*/bin nor on the PATH: install PostgreSQL, or set PLANE_TEST_POSTGRES to a server's connection string.");
    }

    private async Task<string> PrepareAsync(Func<string, Task> prepare)
    {
        var database = await CreateAsync("template0");
        await prepare(database.ConnectionString);
        return database.Name;
    }

    private async Task<TestDatabase> CreateAsync(string template)
    {
        var name = $"t_{Guid.NewGuid():N}";
        await _creating.WaitAsync();
        try
        {
            await using var connection = new NpgsqlConnection(AdminConnectionString);
            await connection.OpenAsync();
            await ExecuteAsync(connection, $"create database \"{name}\" template \"{template}\"");
        }
        finally
        {
            _creating.Release();
        }

        var own = new NpgsqlConnectionStringBuilder(AdminConnectionString) { Database = name, Pooling = true, MaxPoolSize = 20 };
        own.Remove("Pooling");
        return new TestDatabase(this, name, own.ConnectionString);
    }

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql)
    {
#pragma warning disable CA2100 // The names are made above.
        await using var command = new NpgsqlCommand(sql, connection);
#pragma warning restore CA2100
        await command.ExecuteNonQueryAsync();
    }
}
