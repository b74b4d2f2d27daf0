using Plane.Chaos.Parts;

namespace Plane.Chaos.Faults;

/// <summary>
/// A backend that writes 50 MB a second, and ten people who look on, at all controllers, two of them too slow to keep up. What is judged is what is judged anyway: that leases are renewed in time, and that others notice nothing.
/// </summary>
internal sealed class LogFlood(Rig rig, Random random, Action<string> say)
{
    private const int Followers = 10;

    public async Task DoAsync(Func<Task> wait)
    {
        if (Judges.Pick(random) is not { } flooding || Judges.BackendOf(flooding) is not { } backend)
        {
            return;
        }

        say($"backend {backend} floods its output");
        Signals.Send(flooding, Signal.User1);
        using var end = new CancellationTokenSource();
        using var http = new HttpClient(new SocketsHttpHandler { UseProxy = false }) { Timeout = Timeout.InfiniteTimeSpan };
        var followers = Enumerable.Range(0, Followers)
            .Select(i => FollowAsync(http, new Uri(rig.Controllers[i % rig.Controllers.Count].Url, $"/ctrl/b/{backend}/logs?follow=true"), isSlow: i < 2, end.Token))
            .ToList();
        await wait();
        await end.CancelAsync();
        var read = (await Task.WhenAll(followers)).Sum();
        say($"those who followed backend {backend} read {read / 1_000_000} MB");
        if (Judges.Is(flooding))
        {
            Signals.Send(flooding, Signal.User1);
        }
    }

    private static async Task<long> FollowAsync(HttpClient http, Uri address, bool isSlow, CancellationToken cancellationToken)
    {
        var read = 0L;
        var buffer = new byte[64 * 1024];
        while (!cancellationToken.IsCancellationRequested)
        {
            try
            {
                using var response = await http.GetAsync(address, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
                await using var body = await response.Content.ReadAsStreamAsync(cancellationToken);
                while (await body.ReadAsync(buffer, cancellationToken) is > 0 and var count)
                {
                    read += count;
                    if (isSlow)
                    {
                        await Task.Delay(TimeSpan.FromSeconds(1), TimeProvider.System, cancellationToken);
                    }
                }
            }
            catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException)
            {
                // A controller or a connection is unavailable, by another fault of the run; or the flood is over.
            }

            await Task.WhenAny(Task.Delay(TimeSpan.FromMilliseconds(200), TimeProvider.System, cancellationToken));
        }

        return read;
    }
}
