using Microsoft.Extensions.Logging;
using Plane.DroneHost.Runtimes;
using Plane.DroneHost.Session;

namespace Plane.DroneHost.Images;

/// <summary>
/// Brings the images that services want on this drone before they are needed. Three kinds of loops, none of which any lease, start or end waits for:
/// <para>
/// 1. A waiting call asks for the list of images, and is answered when it has changed.
/// 2. Two pull what is due. A backend's start pulls for itself, whatever these do; the engine shares layers that both want.
/// 3. One reports how far they are, at most once a second, and all of it after each registration.
/// </para>
/// </summary>
internal sealed partial class ImagePrefetcher
{
    /// <summary>How many images are pulled at a time.</summary>
    public const int Pulls = 2;

    private static readonly TimeSpan s_wait = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan s_shortestWait = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan s_callLimit = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan s_reportEvery = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan s_reportAnyway = TimeSpan.FromMinutes(1);

    private readonly ControllerSession _sessions;
    private readonly IImageRuntime _runtime;
    private readonly string _pool;
    private readonly TimeProvider _time;
    private readonly DroneMetrics _metrics;
    private readonly ILogger<ImagePrefetcher> _logger;
    private readonly ImageSet _images;
    private readonly Signal[] _due = [.. Enumerable.Range(0, Pulls).Select(_ => new Signal())];
    private readonly Signal _news = new();
    private string? _known;

    public ImagePrefetcher(ControllerSession sessions, IImageRuntime runtime, string pool, TimeProvider time, DroneMetrics metrics, ILogger<ImagePrefetcher> logger)
    {
        (_sessions, _runtime, _pool, _time, _metrics, _logger) = (sessions, runtime, pool, time, metrics, logger);
        _images = new ImageSet(time);
        _images.Changed += _news.Set;
        _images.MoreDue += () => Array.ForEach(_due, s => s.Set());
        sessions.Registered += _news.Set;
        metrics.ObserveImages(_images.States);
    }

    /// <summary>Asks for the list, again and again.</summary>
    public async Task ReadAsync(CancellationToken cancellationToken)
    {
        var outage = new Outage(_time);
        var rounds = ControllerCall.Rounds(_time, e => OnFailure(outage, e), cancellationToken);
        while (true)
        {
            await rounds.ExecuteAsync(
                async c =>
                {
                    var session = await _sessions.WaitAsync(c);
                    var query = new ImageQuery { Session = session, Pool = _pool, Known = _known };
                    var asked = _time.GetTimestamp();
                    var page = await CallAsync((drone, c) => drone.ReadImages(query, s_wait, c), c);
                    outage.End();
                    if (page.Session != SessionState.Current)
                    {
                        _sessions.Observe(session, page.Session);
                        return false;
                    }

                    if (page.Version == _known)
                    {
                        // A wait that waits for nothing, asked again and again at once, would be all that the controller does.
                        return _time.GetElapsedTime(asked) >= s_shortestWait;
                    }

                    _images.Want(page.Images);
                    _known = page.Version;
                    return true;
                },
                cancellationToken);
        }
    }

    /// <summary>Pulls what is due, one image after the other.</summary>
    /// <param name="number">Which of the loops that pull it is, 0 to <see cref="Pulls"/> - 1.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task PullAsync(int number, CancellationToken cancellationToken)
    {
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (_images.TryBegin(out var wait) is { } entry)
            {
                await BringAsync(entry, cancellationToken);
            }
            else
            {
                await _due[number].WaitAsync(wait, _time, cancellationToken);
            }
        }
    }

    /// <summary>Reports what has changed.</summary>
    public async Task ReportAsync(CancellationToken cancellationToken)
    {
        var outage = new Outage(_time);
        var rounds = ControllerCall.Rounds(_time, e => OnFailure(outage, e), cancellationToken);
        while (true)
        {
            if (!await _news.WaitAsync(s_reportAnyway, _time, cancellationToken) && _images.States().Length == 0)
            {
                continue;
            }

            await rounds.ExecuteAsync(
                async c =>
                {
                    var session = await _sessions.WaitAsync(c);
                    var report = new ImageReport { Session = session, Images = _images.States() };
                    var answer = await CallAsync((drone, c) => drone.ReportImages(report, c), c);
                    outage.End();
                    _sessions.Observe(session, answer);
                    return answer == SessionState.Current;
                },
                cancellationToken);
            await Task.Delay(s_reportEvery, _time, cancellationToken);
        }
    }

    private async Task BringAsync(ImageSet.Entry entry, CancellationToken cancellationToken)
    {
        var image = entry.WasBrought && entry.Image.PullPolicy == PullPolicy.Always ? entry.Image with { PullPolicy = PullPolicy.IfNotPresent } : entry.Image;
        using var giveUp = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, entry.Dropped.Token);
        var pulled = false;
        try
        {
            await _runtime.BringAsync(
                image,
                percent =>
                {
                    pulled = true;
                    _images.Progress(entry, percent);
                },
                giveUp.Token);
            _images.Succeed(entry);
            if (pulled)
            {
                _metrics.ImagePulled("ready");
                LogReady(image.Image);
            }
        }
        catch (Exception e) when (giveUp.IsCancellationRequested)
        {
            _images.Abandon(entry);
            cancellationToken.ThrowIfCancellationRequested();
            LogDropped(image.Image, e.GetType().Name);
        }
        catch (Exception e) when (e is RuntimeFailureException or RuntimeUnavailableException)
        {
            var pause = _images.Fail(entry, RuntimeText.Shown(e.Message));
            _metrics.ImagePulled("failed");
            LogFailed(image.Image, pause.TotalSeconds, e.Message);
        }
        catch
        {
            // This loop fails and is started again: the image must not stay with it.
            _images.Abandon(entry);
            throw;
        }
    }

    private Task<T> CallAsync<T>(Func<IDroneGrain, CancellationToken, Task<T>> call, CancellationToken cancellationToken) =>
        TimeLimit.WithinAsync(c => _sessions.Drone.CallAsync(call, skip: 0, c), s_callLimit, _time, cancellationToken);

    private void OnFailure(Outage outage, Exception e)
    {
        if (outage.ShouldLog(CallFailed.Reason(e)))
        {
            LogNoAnswer(CallFailed.Reason(e));
        }
    }

    [LoggerMessage(EventIds.ImagePrefetcherReady, LogLevel.Information, "Image {Image} was pulled before it is needed")]
    private partial void LogReady(string image);

    [LoggerMessage(EventIds.ImagePrefetcherFailed, LogLevel.Warning, "Image {Image} could not be pulled before it is needed: {Reason}. The drone retries in {Seconds:F0} s")]
    private partial void LogFailed(string image, double seconds, string reason);

    [LoggerMessage(EventIds.ImagePrefetcherDropped, LogLevel.Information, "Image {Image} is not wanted any more and was given up ({Cause})")]
    private partial void LogDropped(string image, string cause);

    [LoggerMessage(EventIds.ImagePrefetcherNoAnswer, LogLevel.Warning, "No controller answered the request for images: {Reason}. The drone retries")]
    private partial void LogNoAnswer(string reason);
}
