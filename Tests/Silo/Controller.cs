using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans;
using Orleans.Hosting;
using Plane.Hosting.Ready;
using Plane.Silo;
using Plane.Storage;
using Plane.Testing;

namespace Plane.Tests.Silo;

/// <summary>A whole controller in this process: Kestrel on a port of its own, SQLite, the grains on the engine of this build.</summary>
public sealed class Controller : IAsyncDisposable
{
    public const string Cluster = "test.example:9090";

    private readonly TempDirectory _directory;
    private readonly WebApplication _app;

    private Controller(TempDirectory directory, WebApplication app, LogCapture log, ReadyCapture ready, FaultyStore.Faults faults)
    {
        _directory = directory;
        _app = app;
        Log = log;
        Ready = ready;
        Faults = faults;
        Http = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false, UseProxy = false })
        {
            BaseAddress = SiloRole.WhenReadyAsync(app.Services).GetAwaiter().GetResult(),
            Timeout = Eventually.DefaultDeadline,
        };
    }

    public HttpClient Http { get; }

    internal LogCapture Log { get; }

    internal ReadyCapture Ready { get; }

    public FaultyStore.Faults Faults { get; }

    public IServiceProvider Services => _app.Services;

    public IGrainFactory Grains => _app.Services.GetRequiredService<IGrainFactory>();

    public static async Task<Controller> StartAsync(
        Action<ControllerOptions>? set = null, Action<IHostApplicationBuilder>? addSilo = null, TempDirectory? directory = null)
    {
        directory ??= new TempDirectory();
        var log = new LogCapture();
        var ready = new ReadyCapture();
        var faults = new FaultyStore.Faults();
        var app = Build(directory, log, ready, faults, set, addSilo);
        await app.StartAsync();
        return new Controller(directory, app, log, ready, faults);
    }

    internal static WebApplication Build(
        TempDirectory directory,
        LogCapture log,
        ReadyCapture ready,
        FaultyStore.Faults faults,
        Action<ControllerOptions>? set = null,
        Action<IHostApplicationBuilder>? addSilo = null)
    {
        // A drone's double says once that it lives; how long a class of tests takes is up to the machine.
        var numbers = new LeaseOptions { HeartbeatFresh = TimeSpan.FromMinutes(15) };
        var options = new ControllerOptions { Db = $"sqlite:{directory["plane.db"]}", Port = 0, DefaultCluster = ClusterName.Parse(Cluster), LeaseNumbers = numbers };
        set?.Invoke(options);
        return SiloRole.Build(
            options,
            builder =>
            {
                (addSilo ?? AddLocalSilo)(builder);
                Decorate(builder.Services, faults);
            },
            builder =>
            {
                builder.Logging.ClearProviders().AddProvider(log);
                builder.Services.PostConfigure<LoggerFilterOptions>(o =>
                {
                    o.Rules.Clear();
                    o.MinLevel = LogLevel.Trace;
                });
                builder.Services.Replace(ServiceDescriptor.Singleton<IReadyLine>(ready));
            });
    }

    // A silo without gateway: these tests call grains from within, as the HTTP API does.
    private static void AddLocalSilo(IHostApplicationBuilder builder) =>
        builder.UseOrleans(silo => silo.UseLocalhostClustering(FreePort.Next(), gatewayPort: 0));

    private static void Decorate(IServiceCollection services, FaultyStore.Faults faults)
    {
        var original = services.Last(s => s.ServiceType == typeof(IPlaneStore));
        services.Remove(original);
        services.AddSingleton(s => FaultyStore.Around((IPlaneStore)original.ImplementationFactory!(s), faults));
    }

    public async Task<DroneDouble> AddDroneAsync(string pool = "", string cluster = Cluster, params ExecutorKind[] kinds) =>
        await DroneDouble.RegisterAsync(Grains, ClusterName.Parse(cluster), pool, kinds is [] ? [ExecutorKind.Docker, ExecutorKind.Process] : kinds);

    public Task<Answer> GetAsync(string path, params (string Name, string Value)[] headers) => SendAsync(HttpMethod.Get, path, null, headers);

    public Task<Answer> PostAsync(string path, object? body = null, params (string Name, string Value)[] headers) =>
        SendAsync(HttpMethod.Post, path, body switch
        {
            null => null,
            HttpContent content => content,
            string text => new StringContent(text, Encoding.UTF8, "application/json"),
            JsonNode json => new StringContent(json.ToJsonString(), Encoding.UTF8, "application/json"),
            _ => JsonContent.Create(body),
        }, headers);

    public async Task<Answer> SendAsync(HttpMethod method, string path, HttpContent? content = null, params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(method, path) { Content = content };
        foreach (var (name, value) in headers)
        {
            Assert.True(request.Headers.TryAddWithoutValidation(name, value) || request.Content!.Headers.TryAddWithoutValidation(name, value));
        }

        using var response = await Http.SendAsync(request);
        return await Answer.ReadAsync(response);
    }

    /// <summary>Connects to a key, spawning a process backend; must succeed.</summary>
    public async Task<JsonNode> ConnectAsync(string key, Action<JsonObject>? change = null)
    {
        var body = Requests.Connect(key);
        change?.Invoke(body);
        return (await PostAsync("/ctrl/connect", body)).Expect(HttpStatusCode.OK).Json!;
    }

    public Task StopAsync() => _app.StopAsync();

    public async ValueTask DisposeAsync()
    {
        Faults.Heal();
        Http.Dispose();
        await _app.StopAsync();
        await _app.DisposeAsync();
        _directory.Dispose();
    }
}
