using System.Text.Json.Nodes;
using Microsoft.Data.Sqlite;
using Microsoft.Playwright;
using Plane.Tests.Silo;
using Plane.Testing;

namespace Plane.Tests.Dashboard;

/// <summary>A controller with its dashboard, a drone's double that shows outputs, and browsers that log in.</summary>
internal sealed class DashboardUnderTest : IAsyncDisposable
{
    public const string Token = "a-control-token-of-some-length";

    private readonly List<IBrowserContext> _contexts = [];

    private DashboardUnderTest(Controller controller, TempDirectory directory, DroneDouble? drone)
    {
        Controller = controller;
        Directory = directory;
        Drone = drone!;
    }

    public Controller Controller { get; private set; }

    public TempDirectory Directory { get; }

    public DroneDouble Drone { get; }

    public InspectorDouble Inspector { get; } = new();

    /// <summary>What each page runs first, or null.</summary>
    public string? InitScript { get; set; }

    /// <summary>What browsers complained about: the policy was broken, a script failed.</summary>
    public List<string> Complaints { get; } = [];

    public static async Task<DashboardUnderTest> StartAsync(bool withToken = true, bool withDrone = true)
    {
        var directory = new TempDirectory();
        await File.WriteAllTextAsync(directory["token"], Token);
        var controller = await Controller.StartAsync(o => o.CtrlTokenFile = withToken ? directory["token"] : null, directory: directory);
        controller.Http.DefaultRequestHeaders.Authorization = withToken ? new("Bearer", Token) : null;
        var started = new DashboardUnderTest(controller, directory, withDrone ? await controller.AddDroneAsync() : null);
        if (withDrone)
        {
            await started.Inspector.ShowAsync(controller, started.Drone);
        }

        return started;
    }

    /// <summary>A page of a browser that has logged in.</summary>
    public async Task<IPage> OpenAsync(string path = "/", BrowserNewContextOptions? options = null)
    {
        var page = await NewPageAsync(options);
        await page.GotoAsync(Address(path));
        if (page.Url.Contains("/login", StringComparison.Ordinal))
        {
            await page.GetByLabel("Control token").FillAsync(Token);
            await page.GetByRole(AriaRole.Button, new() { Name = "Log in" }).ClickAsync();
            await page.IsAtAsync(Address(path));
        }

        return page;
    }

    /// <summary>A page of a browser that has not.</summary>
    public async Task<IPage> NewPageAsync(BrowserNewContextOptions? options = null)
    {
        var context = await Browser.NewContextAsync(options);
        _contexts.Add(context);
        if (InitScript is { } script)
        {
            await context.AddInitScriptAsync(script);
        }

        var page = await context.NewPageAsync();
        page.Console += (_, message) =>
        {
            if (message.Type == "error" && !message.Text.Contains("Failed to load resource", StringComparison.Ordinal))
            {
                Complaints.Add(message.Text);
            }
        };
        page.PageError += (_, error) => Complaints.Add(error);
        return page;
    }

    public string Address(string path) => new Uri(Controller.Http.BaseAddress!, path).AbsoluteUri;

    public async Task<BackendIdentity> SpawnAsync(string key, BackendStatus? reach = BackendStatus.Ready)
    {
        var answer = await Controller.ConnectAsync(key);
        var backend = new BackendIdentity(BackendName.Parse((string)answer["backend_id"]!), new FencingToken((long)answer["key"]!["fencing_token"]!));
        if (reach is { } status)
        {
            await Drone.ReportAsync(backend, status);
        }

        return backend;
    }

    /// <summary>Adds backends to the database, as copies of one that is there, behind the controller's back: no event tells of them.</summary>
    public async Task AddBackendsAsync(int count)
    {
        await using var connection = Database();
        await connection.OpenAsync();
        await using var command = connection.CreateCommand();
        var columns = new List<string>();
        command.CommandText = "select name from pragma_table_info('backends') where name <> 'id' and name <> 'created_at' and name <> 'key_name'";
        await using (var reader = await command.ExecuteReaderAsync())
        {
            while (await reader.ReadAsync())
            {
                columns.Add(reader.GetString(0));
            }
        }

        var rest = string.Join(", ", columns);
        command.CommandText = $"""
            with recursive n (i) as (select 1 union all select i + 1 from n where i < {count})
            insert into backends (id, key_name, created_at, {rest})
            select 'seeded-' || i, 'seeded-room-' || i, b.created_at - 100000000 + i, {string.Join(", ", columns.Select(c => "b." + c))}
            from n, (select * from backends limit 1) b
            """;
        Assert.Equal(count, await command.ExecuteNonQueryAsync());
    }

    /// <summary>Changes rows of the database behind the controller's back.</summary>
    public async Task ExecuteAsync(string sql)
    {
        await using var connection = Database();
        await connection.OpenAsync();
        await using var command = connection.CreateCommand();
        command.CommandText = sql;
        Assert.NotEqual(0, await command.ExecuteNonQueryAsync());
    }

    public async Task<JsonNode> DescribeAsync(BackendIdentity backend) => (await Controller.GetAsync($"/ctrl/b/{backend.Backend}")).Json!;

    public async ValueTask DisposeAsync()
    {
        foreach (var context in _contexts)
        {
            await context.DisposeAsync();
        }

        GC.KeepAlive(Inspector);
        await Controller.DisposeAsync();
    }

    private SqliteConnection Database() => new($"Data Source={Directory["plane.db"]};Default Timeout=30;Pooling=False");
}
