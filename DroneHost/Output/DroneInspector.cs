using Microsoft.Extensions.Logging;
using Plane.DroneHost.Housekeeping;
using Plane.DroneHost.Runtimes.Output;
using Plane.DroneHost.Runtimes;
using Plane.DroneHost.Supervision;

namespace Plane.DroneHost.Output;

/// <summary>
/// Answers what controllers ask about backends. Bounded, whatever they ask: so many readings of an engine at a time, so many outputs followed, so much text in an answer, which travels over the connection that
/// leases are renewed on.
/// </summary>
internal sealed partial class DroneInspector(RuntimeSet runtimes, UsageHistory usage, TimeProvider time, ILogger<DroneInspector> logger) : IDroneInspector, IAsyncDisposable
{
    private const int MaxReadings = 4;
    private const int MaxFeeds = 100;
    private const int HistoryCharacters = 1024 * 1024;
    private const int PageCharacters = 128 * 1024;

    private static readonly TimeSpan s_longestWait = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan s_reading = TimeSpan.FromSeconds(8);
    private static readonly TimeSpan s_idle = TimeSpan.FromSeconds(15);

    private readonly Dictionary<BackendIdentity, OutputFeed> _feeds = [];
    private readonly Lock _gate = new();
    private readonly SemaphoreSlim _readings = new(MaxReadings);
    private readonly CancellationTokenSource _stopping = new();

    public async Task<OutputPage> ReadOutput(OutputRequest request)
    {
        InvalidCallException.ThrowIf(request is null ? new FieldError("request", "must be given") : request.Validate());
        if (!runtimes.All.Any(r => r.Kind == request!.Executor))
        {
            return new OutputPage { IsKnown = false };
        }

        var runtime = runtimes[request!.Executor];
        try
        {
            return request.After is { } after
                ? await FollowAsync(runtime, request.Backend, after, request.Wait)
                : await TimeLimit.WithinAsync(c => ReadLastAsync(runtime, request, c), s_reading, time, _stopping.Token);
        }
        catch (Exception e) when (e is RuntimeUnavailableException or RuntimeFailureException or IOException or UnauthorizedAccessException)
        {
            return new OutputPage { IsKnown = true, Problem = RuntimeText.Shown(e.Message) };
        }
        catch (TimeoutException)
        {
            return new OutputPage { IsKnown = true, Problem = "reading the output took too long" };
        }
    }

    public Task<UsagePage> ReadUsage(BackendIdentity backend) => Task.FromResult(new UsagePage { Points = usage.Of(backend) });

    public Task<BusyBackend[]> ReadBusiest(int most) => Task.FromResult(usage.Busiest(Math.Clamp(most, 1, BusyBackend.MaxRows)));

    /// <summary>Ends feeds without readers, until it is stopped.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            await Task.Delay(s_idle / 3, time, cancellationToken);
            List<OutputFeed> idle;
            lock (_gate)
            {
                idle = [.. _feeds.Values.Where(f => f.Idle > s_idle)];
                foreach (var backend in _feeds.Where(f => idle.Contains(f.Value)).Select(f => f.Key).ToList())
                {
                    _feeds.Remove(backend);
                }
            }

            foreach (var feed in idle)
            {
                await feed.DisposeAsync();
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        OutputFeed[] feeds;
        lock (_gate)
        {
            feeds = [.. _feeds.Values];
            _feeds.Clear();
        }

        foreach (var feed in feeds)
        {
            await feed.DisposeAsync();
        }
    }

    private async Task<OutputPage> FollowAsync(IContainerRuntime runtime, BackendIdentity backend, OutputCursor after, TimeSpan wait)
    {
        OutputFeed? former = null;
        OutputFeed feed;
        lock (_gate)
        {
            if (_stopping.IsCancellationRequested || (!_feeds.ContainsKey(backend) && _feeds.Count >= MaxFeeds))
            {
                return new OutputPage { IsKnown = true, Cursor = after, Problem = "too many outputs of this drone are followed" };
            }

            if (!_feeds.TryGetValue(backend, out feed!) || !feed.Serves(after))
            {
                former = feed;
                _feeds[backend] = feed = new OutputFeed(runtime, backend, after.Position, time, logger);
            }
        }

        if (former is not null)
        {
            await former.DisposeAsync();
        }

        var longest = wait < TimeSpan.Zero ? TimeSpan.Zero : wait < s_longestWait ? wait : s_longestWait;
        var page = await feed.ReadAsync(after, PageCharacters, longest, _stopping.Token);
        if (!page.IsKnown)
        {
            // Looked for again at the next question.
            lock (_gate)
            {
                if (_feeds.GetValueOrDefault(backend) == feed)
                {
                    _feeds.Remove(backend);
                }
            }

            await feed.DisposeAsync();
        }

        return page;
    }

    private async Task<OutputPage> ReadLastAsync(IContainerRuntime runtime, OutputRequest request, CancellationToken cancellationToken)
    {
        await _readings.WaitAsync(cancellationToken);
        try
        {
            var selection = new OutputSelection { Since = request.Since, Tail = request.Stream is null ? Math.Max(request.Tail, 1) : null };
            if (await runtime.ReadOutputAsync(request.Backend, selection, cancellationToken) is not { } lines)
            {
                return new OutputPage { IsKnown = false };
            }

            var last = new Queue<OutputLine>();
            var (size, position) = (0L, 0L);
            await foreach (var line in lines.WithCancellation(cancellationToken))
            {
                position = line.Position;
                if (request.Stream is { } stream && line.Stream != stream)
                {
                    continue;
                }

                last.Enqueue(line);
                size += line.Text.Length;
                while (last.Count > request.Tail || (size > HistoryCharacters && last.Count > 1))
                {
                    size -= last.Dequeue().Text.Length;
                }
            }

            return new OutputPage { IsKnown = true, Lines = [.. last], Cursor = new OutputCursor(position) };
        }
        finally
        {
            _readings.Release();
        }
    }
}
