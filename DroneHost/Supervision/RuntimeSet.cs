using Microsoft.Extensions.Logging;
using Plane.DroneHost.Runtimes;
using Plane.Hosting.Running;
using Plane.Hosting;

namespace Plane.DroneHost.Supervision;

/// <summary>The runtimes of this drone: those the operator chose, and those of what still runs.</summary>
internal sealed partial class RuntimeSet : IAsyncDisposable
{
    private static readonly TimeSpan CheckLimit = TimeSpan.FromSeconds(5);

    private readonly Dictionary<ExecutorKind, IContainerRuntime> _runtimes;

    private RuntimeSet(Dictionary<ExecutorKind, IContainerRuntime> runtimes, ExecutorKind[] chosen)
    {
        _runtimes = runtimes;
        Chosen = chosen;
    }

    /// <summary>The kinds that it takes new backends of.</summary>
    public ExecutorKind[] Chosen { get; }

    public IEnumerable<IContainerRuntime> All => _runtimes.Values;

    public IContainerRuntime this[ExecutorKind kind] => _runtimes[kind];

    public bool Has(ExecutorKind kind) => Chosen.Contains(kind);

    /// <summary>Makes the runtimes. Waits for an engine only to find out what <c>auto</c> means: processes, and Docker where its engine answers.</summary>
    /// <exception cref="StartRefusedException">A kind that was chosen, or that a backend runs under, has no runtime here.</exception>
    public static async Task<RuntimeSet> CreateAsync(
        DroneOptions options,
        IEnumerable<IRuntimeFactory> factories,
        RuntimeOwner owner,
        IReadOnlyCollection<ExecutorKind> running,
        TimeProvider time,
        ILogger logger,
        CancellationToken cancellationToken)
    {
        // The last registration of a kind wins: an executor of one's own replaces the one that comes with the drone.
        var byKind = factories.GroupBy(f => f.Kind).ToDictionary(g => g.Key, g => g.Last());
        var runtimes = new Dictionary<ExecutorKind, IContainerRuntime>();
        var chosen = options.ParseRuntime()!;
        if (chosen.Length == 0)
        {
            var usesDocker = byKind.ContainsKey(ExecutorKind.Docker) && await AnswersAsync(Make(ExecutorKind.Docker), time, logger, cancellationToken);
            chosen = !byKind.ContainsKey(ExecutorKind.Process) ? [ExecutorKind.Docker]
                : usesDocker ? [ExecutorKind.Docker, ExecutorKind.Process]
                : [ExecutorKind.Process];
            if (!chosen.Contains(ExecutorKind.Docker) && !running.Contains(ExecutorKind.Docker) && runtimes.Remove(ExecutorKind.Docker, out var unused))
            {
                await unused.DisposeAsync();
            }

            LogAuto(logger, string.Join(',', chosen).ToLowerInvariant());
        }

        foreach (var kind in chosen.Union(running))
        {
            Make(kind);
        }

        return new RuntimeSet(runtimes, chosen);

        IContainerRuntime Make(ExecutorKind kind)
        {
            if (!runtimes.TryGetValue(kind, out var runtime))
            {
                runtime = byKind.TryGetValue(kind, out var factory)
                    ? factory.Create(owner)
                    : throw new StartRefusedException($"this drone has no {kind.ToString().ToLowerInvariant()} runtime", ExitCodes.Usage);
                runtimes.Add(kind, runtime);
            }

            return runtime;
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var runtime in _runtimes.Values)
        {
            await runtime.DisposeAsync();
        }
    }

    private static async Task<bool> AnswersAsync(IContainerRuntime runtime, TimeProvider time, ILogger logger, CancellationToken cancellationToken)
    {
        try
        {
            await TimeLimit.WithinAsync(runtime.CheckAsync, CheckLimit, time, cancellationToken);
            return true;
        }
        catch (Exception e) when (e is RuntimeUnavailableException or TimeoutException)
        {
            LogNoDocker(logger, e.Message);
            return false;
        }
    }

    [LoggerMessage(EventIds.RuntimeSetAuto, LogLevel.Information, "--runtime auto: this drone runs {Kinds}")]
    private static partial void LogAuto(ILogger logger, string kinds);

    [LoggerMessage(EventIds.RuntimeSetNoDocker, LogLevel.Information, "Docker does not answer: {Reason}")]
    private static partial void LogNoDocker(ILogger logger, string reason);
}
