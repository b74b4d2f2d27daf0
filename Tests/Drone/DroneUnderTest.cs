using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Plane.DroneHost;
using Plane.DroneHost.State;
using Plane.DroneHost.Supervision;
using Plane.Hosting.Ready;
using Plane.Hosting.Running;
using Plane.Testing;

namespace Plane.Tests.Drone;

/// <summary>
/// One drone's machine: its state file, its runtime and its clock outlive the agents that a test starts one after the other on it.
/// </summary>
internal sealed class DroneUnderTest : IAsyncDisposable
{
    private readonly TempDirectory _directory = new();
    private IHost? _host;

    public DroneUnderTest()
    {
        Controller.Clock = Clock;
        var port = FreePort.Range(20);
        Options = new DroneOptions
        {
            Cluster = "test.example",
            StateFile = _directory["drone.db"],
            RunDir = _directory["guard"],
            Runtime = "process",
            PortFrom = port,
            PortTo = port + 19,
            NameInUseLimit = TimeSpan.FromMilliseconds(300),
            CheckEvery = TimeSpan.FromMilliseconds(100),
        };
    }

    public DroneOptions Options { get; }

    public FakeController Controller { get; } = new();

    public FakeRuntime Runtime { get; set; } = new();

    /// <summary>A second runtime, where the test has one.</summary>
    public FakeRuntime? More { get; set; }

    public ManualLeaseClock Clock { get; } = new();

    public ShiftedTime Time => field ??= new ShiftedTime(Clock.WallClock);

    public Log Log { get; } = new();

    public LeaseOptions Numbers => Controller.Numbers;

    public DroneStatus Status => _host!.Services.GetRequiredService<DroneStatus>();

    public DurableState State => _host!.Services.GetRequiredService<DurableState>();

    public BackendSet Backends => _host!.Services.GetRequiredService<BackendSet>();

    /// <summary>What the agent gave up with, once it did.</summary>
    public HostExit Exit => _host!.Services.GetRequiredService<HostExit>();

    public IServiceProvider Services => _host!.Services;

    /// <summary>Completes when the agent takes its host down.</summary>
    public Task Stopping
    {
        get
        {
            var stopping = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _host!.Services.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping.Register(() => stopping.TrySetResult());
            return stopping.Task;
        }
    }

    public string File(string name) => _directory[name];

    public static async Task<DroneUnderTest> StartedAsync(Action<DroneUnderTest>? arrange = null)
    {
        var drone = new DroneUnderTest();
        arrange?.Invoke(drone);
        await drone.StartAsync();
        await Eventually.EndsAsync(drone.Status.WhenReady, "the drone is ready");
        return drone;
    }

    public async Task StartAsync()
    {
        _host = DroneRole.Build(
            Options,
            builder => builder.Services.AddSingleton(Controller.Connection),
            builder =>
            {
                builder.Services.AddSingleton<IRuntimeFactory>(Runtime);
                if (More is not null)
                {
                    builder.Services.AddSingleton<IRuntimeFactory>(More);
                }

                builder.Services.AddSingleton<ILeaseClock>(Clock);
                builder.Services.AddSingleton<TimeProvider>(Time);
                builder.Services.AddSingleton<IReadyLine>(new ReadyLine(TextWriter.Null));
                builder.Services.AddSingleton<ILoggerProvider>(Log);
                builder.Services.AddLogging(l => l.SetMinimumLevel(LogLevel.Debug));
            });
        await _host.StartAsync();
    }

    /// <summary>The agent is gone as after a kill: it ends nothing and says nothing.</summary>
    public async Task StopAsync()
    {
        await _host!.StopAsync();
        _host.Dispose();
        _host = null;
    }

    public async Task RestartAsync()
    {
        await StopAsync();
        await StartAsync();
    }

    public async Task<BackendIdentity> ReadyBackendAsync(Func<SpawnOrder, SpawnOrder>? with = null)
    {
        var backend = Controller.Spawn(null, with);
        await SeenAsync(backend, BackendStatus.Ready);
        return backend;
    }

    /// <summary>Waits until the controller has heard of a state.</summary>
    public async Task<StateEvent> SeenAsync(BackendIdentity backend, BackendStatus status)
    {
        try
        {
            return await Eventually.SeenAsync(
                () => Controller.States.FirstOrDefault(s => s.Identity == backend && s.Status == status)!,
                s => s is not null,
                $"{backend.Backend} is reported {status}");
        }
        catch (Xunit.Sdk.FailException e)
        {
            throw new Xunit.Sdk.XunitException($"{e.Message}\nReported: {string.Join(", ", Controller.States)}\nLog:\n{Log}");
        }
    }

    public Task<StateEvent> EndedAsync(BackendIdentity backend) => SeenAsync(backend, BackendStatus.Terminated);

    /// <summary>The row of a backend in the open state file.</summary>
    public async Task<Plane.DroneHost.State.BackendRow?> RowAsync(BackendIdentity backend) =>
        (await State.ReadBackendsAsync()).SingleOrDefault(r => r.Identity == backend);

    public async ValueTask DisposeAsync()
    {
        if (_host is not null)
        {
            await StopAsync();
        }

        Runtime.Clear();
        _directory.Dispose();
    }
}

/// <summary>Real timers, but a test may say that more time has passed than has.</summary>
internal sealed class ShiftedTime(TimeProvider wall) : TimeProvider
{
    private long _shift;

    public override DateTimeOffset GetUtcNow() => wall.GetUtcNow();

    public override long GetTimestamp() => base.GetTimestamp() + Volatile.Read(ref _shift);

    public void Advance(TimeSpan by) => Interlocked.Add(ref _shift, (long)(by.TotalSeconds * TimestampFrequency));
}

/// <summary>What the drone logged, for the message of a failed wait.</summary>
internal sealed class Log : ILoggerProvider, ILogger
{
    private readonly System.Collections.Concurrent.ConcurrentQueue<string> _lines = [];

    public ILogger CreateLogger(string categoryName) => this;

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    void ILogger.Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        _lines.Enqueue($"{TimeProvider.System.GetUtcNow():HH:mm:ss.fff} {logLevel} {eventId.Id} {formatter(state, exception)} {exception}");
        while (_lines.Count > 500)
        {
            _lines.TryDequeue(out _);
        }
    }

    public bool Contains(string text) => _lines.Any(l => l.Contains(text, StringComparison.Ordinal));

    public int Count(string text) => _lines.Count(l => l.Contains(text, StringComparison.Ordinal));

    public override string ToString() => string.Join('\n', _lines.TakeLast(60));

    public void Dispose()
    {
    }
}
