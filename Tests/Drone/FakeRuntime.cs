using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Text;
using System.Threading.Channels;
using Plane.DroneHost.Runtimes;
using Plane.DroneHost.Supervision;

namespace Plane.Tests.Drone;

/// <summary>
/// A runtime in memory that outlives the agents of a test, as an engine does. Each fault is a hook; without any it behaves. "Containers" are listeners that
/// answer HTTP.
/// </summary>
internal sealed class FakeRuntime(ExecutorKind kind = ExecutorKind.Process) : IContainerRuntime, IImageRuntime, IRuntimeFactory
{
    private readonly Channel<BackendExit> _exits = Channel.CreateUnbounded<BackendExit>();

    public ExecutorKind Kind => kind;

    public ConcurrentDictionary<BackendIdentity, FakeContainer> Containers { get; } = [];

    /// <summary>Every call, in order.</summary>
    public ConcurrentQueue<string> Calls { get; } = [];

    public Func<BackendStart, CancellationToken, Task> OnPrepare { get; set; } = (_, _) => Task.CompletedTask;

    /// <summary>Runs between create and the look; the container is there already.</summary>
    public Func<BackendStart, CancellationToken, Task> OnStart { get; set; } = (_, _) => Task.CompletedTask;

    public Func<BackendIdentity, Task> OnStop { get; set; } = _ => Task.CompletedTask;

    public Func<BackendIdentity, CancellationToken, Task> OnKill { get; set; } = (_, _) => Task.CompletedTask;

    public Func<BackendIdentity, CancellationToken, Task> OnGone { get; set; } = (_, _) => Task.CompletedTask;

    public Func<CancellationToken, Task> OnCheck { get; set; } = _ => Task.CompletedTask;

    public Func<WantedImage, Action<int>, CancellationToken, Task> OnBring { get; set; } = (_, _, _) => Task.CompletedTask;

    public Func<RuntimeResources?> Resources { get; set; } = () => null;

    /// <summary>Whether backends answer once started.</summary>
    public bool Listens { get; set; } = true;

    /// <summary>What a backend answers a POST with: a status, from the request's target and body. 0: it never answers.</summary>
    public Func<string, string, int> OnPost { get; set; } = (_, _) => 204;

    /// <summary>The targets and bodies of the POSTs, in order.</summary>
    public ConcurrentQueue<(string Target, string Body)> Posts { get; } = [];

    /// <summary>What is seen at a backend's address.</summary>
    public Func<BackendIdentity, ListenerLook> Listener { get; set; } = _ => ListenerLook.Own;

    /// <summary>Whether another program has taken a backend's address.</summary>
    public Func<BackendIdentity, bool> IsDisplaced { get; set; } = _ => false;

    /// <summary>What backends wrote at last.</summary>
    public string? Output { get; set; }

    public bool ObeysStop { get; set; } = true;

    /// <summary>Whether exits are told; else only a listing shows them.</summary>
    public bool TellsExits { get; set; } = true;

    /// <summary>The process that stands for a container, where a test brings a real one.</summary>
    public Func<(int Pid, long StartTime)> Process { get; set; } = () => (0, 0);

    public int Pruned { get; private set; }

    public int Running => Containers.Values.Count(c => c.State == FoundState.Running);

    public IContainerRuntime Create(RuntimeOwner owner) => this;

    public Task CheckAsync(CancellationToken cancellationToken) => OnCheck(cancellationToken);

    public Task<RuntimeResources?> ReadResourcesAsync(CancellationToken cancellationToken) => Task.FromResult(Resources());

    public Task BringAsync(WantedImage image, Action<int> progress, CancellationToken cancellationToken)
    {
        Calls.Enqueue($"bring {image.Image}");
        return OnBring(image, progress, cancellationToken);
    }

    public Task PrepareAsync(BackendStart start, CancellationToken cancellationToken)
    {
        Calls.Enqueue($"prepare {start.Identity.Backend}");
        return OnPrepare(start, cancellationToken);
    }

    public async Task<StartedBackend?> StartAsync(BackendStart start, CancellationToken cancellationToken)
    {
        Calls.Enqueue($"start {start.Identity.Backend}");
        var container = Containers.GetOrAdd(start.Identity, _ => new FakeContainer());
        await OnStart(start, cancellationToken);
        if (!start.MayStart())
        {
            Containers.TryRemove(start.Identity, out _);
            return null;
        }

        var (pid, startTime) = Process();
        container.Start(start, pid, startTime, Listens, (target, body) =>
        {
            Posts.Enqueue((target, body));
            return OnPost(target, body);
        });
        return container.Started;
    }

    public async Task SignalStopAsync(BackendIdentity backend, CancellationToken cancellationToken)
    {
        Calls.Enqueue($"stop {backend.Backend}");
        await OnStop(backend);
        if (ObeysStop)
        {
            Exit(backend, 0);
        }
    }

    public async Task KillAsync(BackendIdentity backend, CancellationToken cancellationToken)
    {
        Calls.Enqueue($"kill {backend.Backend}");
        await OnKill(backend, cancellationToken);
        Exit(backend, 137);
    }

    public async Task<BackendExit> EnsureGoneAsync(BackendIdentity backend, CancellationToken cancellationToken)
    {
        Calls.Enqueue($"gone {backend.Backend}");
        await OnGone(backend, cancellationToken);
        if (Containers.TryGetValue(backend, out var container) && container.State == FoundState.Created)
        {
            Containers.TryRemove(backend, out _);
        }

        Exit(backend, 137);
        return new BackendExit(backend, container?.ExitCode, null);
    }

    public async Task<IReadOnlyList<FoundBackend>> ListAsync(CancellationToken cancellationToken)
    {
        await OnCheck(cancellationToken);
        return [.. Containers.Select(p => new FoundBackend(p.Key, p.Value.State, p.Value.State == FoundState.Running ? p.Value.Started : null, p.Value.State == FoundState.Exited ? new BackendExit(p.Key, p.Value.ExitCode, null) : null))];
    }

    public async IAsyncEnumerable<BackendExit> WatchExitsAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (var exit in _exits.Reader.ReadAllAsync(cancellationToken))
        {
            yield return exit;
        }
    }

    public Task<IReadOnlyList<BackendUsage>> ReadUsageAsync(IReadOnlyCollection<BackendIdentity> backends, CancellationToken cancellationToken) =>
        Task.FromResult<IReadOnlyList<BackendUsage>>([.. backends.Select(b => new BackendUsage(b, 2_000_000_000, 4096))]);

    public Task<int> PruneAsync(TimeSpan age, CancellationToken cancellationToken)
    {
        Pruned++;
        return Task.FromResult(0);
    }

    public event Action? StartedElsewhere;

    /// <summary>The runtime notices that something was started elsewhere.</summary>
    public void Notice() => StartedElsewhere?.Invoke();

    public Task<ListenerLook> LookAtListenerAsync(BackendIdentity backend, string address, CancellationToken cancellationToken) => Task.FromResult(Listener(backend));

    public Task<IReadOnlyList<BackendIdentity>> FindDisplacedAsync(IReadOnlyDictionary<BackendIdentity, string> addresses, CancellationToken cancellationToken) =>
        Task.FromResult<IReadOnlyList<BackendIdentity>>([.. addresses.Keys.Where(IsDisplaced)]);

    public Task<string?> ReadOutputTailAsync(BackendIdentity backend, CancellationToken cancellationToken) => Task.FromResult(Output);

    /// <summary>The backend exits.</summary>
    public void Exit(BackendIdentity backend, int code, TerminationReason? reason = null)
    {
        if (Containers.TryGetValue(backend, out var container) && container.Exit(code) && TellsExits)
        {
            _exits.Writer.TryWrite(new BackendExit(backend, code, null) { Cause = reason is { } known ? new ExitCause(known, TerminationKind.Hard, "for the test") : null });
        }
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    /// <summary>Ends all listeners: the test is over.</summary>
    public void Clear()
    {
        foreach (var container in Containers.Values)
        {
            container.Dispose();
        }
    }
}

internal sealed class FakeContainer : IDisposable
{
    private readonly Lock _gate = new();
    private TcpListener? _listener;

    public FoundState State { get; private set; } = FoundState.Created;

    public StartedBackend? Started { get; private set; }

    public int? ExitCode { get; private set; }

    public BackendStart? Order { get; private set; }

    public void Start(BackendStart start, int pid, long startTime, bool listens, Func<string, string, int>? onPost = null)
    {
        lock (_gate)
        {
            Order = start;
            State = FoundState.Running;
            Started = new StartedBackend($"{start.Ip}:{start.Port}", pid, startTime);
            if (listens)
            {
                _listener = new TcpListener(IPAddress.Parse(start.Ip), start.Port);
                _listener.Start();
                _ = ServeAsync(_listener, onPost ?? ((_, _) => 404));
            }
        }
    }

    public bool Exit(int code)
    {
        lock (_gate)
        {
            if (State != FoundState.Running)
            {
                return false;
            }

            State = FoundState.Exited;
            ExitCode = code;
            _listener?.Dispose();
            return true;
        }
    }

    public void Dispose() => Exit(0);

    private static async Task ServeAsync(TcpListener listener, Func<string, string, int> onPost)
    {
        try
        {
            while (true)
            {
                _ = AnswerAsync(await listener.AcceptTcpClientAsync(), onPost);
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException or IOException or InvalidOperationException)
        {
            return;
        }
    }

    private static async Task AnswerAsync(TcpClient accepted, Func<string, string, int> onPost)
    {
        using var connection = accepted;
        try
        {
            var stream = connection.GetStream();
            var request = "";
            var buffer = new byte[4096];
            int end;
            while ((end = request.IndexOf("\r\n\r\n", StringComparison.Ordinal)) < 0 || request.Length < end + 4 + LengthOf(request))
            {
                var count = await stream.ReadAsync(buffer);
                if (count == 0)
                {
                    return;
                }

                request += Encoding.UTF8.GetString(buffer, 0, count);
            }

            var status = 404;
            if (request.StartsWith("POST ", StringComparison.Ordinal))
            {
                status = onPost(request.Split(' ')[1], request[(end + 4)..]);
            }

            if (status == 0)
            {
                // Until the caller has had enough.
                while (await stream.ReadAsync(buffer) > 0)
                {
                }

                return;
            }

            await stream.WriteAsync(Encoding.ASCII.GetBytes($"HTTP/1.1 {status} For the test\r\nConnection: close\r\n{(status == 204 ? "" : "Content-Length: 0\r\n")}\r\n"));
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException or IOException or InvalidOperationException)
        {
            return;
        }
    }

    private static int LengthOf(string request)
    {
        const string Header = "content-length:";
        var at = request.IndexOf(Header, StringComparison.OrdinalIgnoreCase);
        return at < 0 ? 0 : int.Parse(request.AsSpan(at + Header.Length, request.IndexOf('\r', at) - at - Header.Length), System.Globalization.CultureInfo.InvariantCulture);
    }
}
