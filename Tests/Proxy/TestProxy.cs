using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;
using Plane.Hosting.Ready;
using Plane.ProxyHost;
using Plane.ProxyHost.Controller;

namespace Plane.Tests.Proxy;

/// <summary>A real proxy on a port of its own, before a scripted controller.</summary>
internal sealed class TestProxy : IAsyncDisposable
{
    public const string Cluster = "cluster.test:4321";

    private readonly WebApplication _app;

    private TestProxy(WebApplication app, FakeController controller, TestClock clock, CapturedLog log, Uri address)
    {
        _app = app;
        Controller = controller;
        Clock = clock;
        Log = log;
        Port = address.Port;
        Http = new HttpClient(new SocketsHttpHandler { UseProxy = false, AllowAutoRedirect = false, UseCookies = false }) { BaseAddress = address };
        Http.DefaultRequestHeaders.Host = Cluster;
    }

    public FakeController Controller { get; }

    public TestClock Clock { get; }

    public CapturedLog Log { get; }

    public int Port { get; }

    public HttpClient Http { get; }

    public ProxyStatus Status => _app.Services.GetRequiredService<ProxyStatus>();

    public T Service<T>()
        where T : notnull => _app.Services.GetRequiredService<T>();

    public static async Task<TestProxy> StartAsync(Action<ProxyOptions>? configure = null, FakeController? controller = null, TimeProvider? time = null)
    {
        controller ??= new FakeController();
        var clock = new TestClock();
        var log = new CapturedLog();
        var options = new ProxyOptions { Cluster = Cluster, Host = "127.0.0.1", Port = 0, Drain = TimeSpan.FromMilliseconds(200) };
        configure?.Invoke(options);
        var app = ProxyRole.Build(
            options,
            builder => builder.Services
                .AddSingleton<IControllerCalls>(controller)
                .AddSingleton<ILeaseClock>(clock)
                .AddSingleton(time ?? TimeProvider.System)
                .Replace(ServiceDescriptor.Singleton<IReadyLine>(new ReadyLine(TextWriter.Null))),
            builder =>
            {
                builder.Logging.ClearProviders().AddProvider(log);
                builder.Services.PostConfigure<LoggerFilterOptions>(o =>
                {
                    o.Rules.Clear();
                    o.MinLevel = LogLevel.Trace;
                    o.Rules.Add(new LoggerFilterRule(null, "Microsoft.AspNetCore.Hosting.Diagnostics", LogLevel.Trace, null));
                });
            });
        await app.StartAsync();
        var addresses = await app.Services.GetRequiredService<ProxyStatus>().WhenListening;
        var proxy = new TestProxy(app, controller, clock, log, addresses[0]);
        if (!controller.IsAway && !controller.ChangesFail)
        {
            await Testing.Eventually.TrueAsync(() => controller.Reads >= 2, "the change log is being read");
        }

        return proxy;
    }

    /// <summary>A token that leads to a backend.</summary>
    public BearerToken Route(string address, Func<Route, Route>? with = null)
    {
        var token = BearerToken.NewRandom();
        Controller.Add(token, address, with);
        return token;
    }

    public Task<RawClient> ConnectAsync() => RawClient.ConnectAsync(Port);

    public Task StopAsync() => _app.StopAsync();

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        await _app.DisposeAsync();
    }
}

/// <summary>All that was logged, at every level.</summary>
internal sealed class CapturedLog : ILoggerProvider
{
    private readonly System.Collections.Concurrent.ConcurrentQueue<string> _lines = new();

    public IReadOnlyCollection<string> Lines => _lines;

    public ILogger CreateLogger(string categoryName) => new Logger(this, categoryName);

    public void Dispose()
    {
    }

    private sealed class Logger(CapturedLog owner, string category) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            owner._lines.Enqueue($"{logLevel} {category} {eventId.Id} {formatter(state, exception)} {exception}");
    }
}
