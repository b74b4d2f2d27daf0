using Plane.Chaos.Parts;

namespace Plane.Chaos.Load;

/// <summary>What those who had nothing to do with it saw while something was done to an installation.</summary>
/// <param name="Visits">Requests over known routes.</param>
/// <param name="FailedVisits">How many of them failed.</param>
/// <param name="Connects">Connects to keys that are held.</param>
/// <param name="FailedConnects">How many of them failed.</param>
/// <param name="Uncured">How many of those failed once more when they were repeated at once, at another controller where there is one.</param>
/// <param name="Streams">Open WebSockets.</param>
/// <param name="BrokenStreams">How many of them broke.</param>
/// <param name="LongestWithout">The longest time between two answers to connects to one key.</param>
internal sealed record Seen(int Visits, int FailedVisits, int Connects, int FailedConnects, int Uncured, int Streams, int BrokenStreams, TimeSpan LongestWithout)
{
    public override string ToString() => FormattableString.Invariant(
        $"{FailedVisits} of {Visits} requests on known routes failed, {BrokenStreams} of {Streams} open WebSockets broke, {FailedConnects} of {Connects} connects failed ({Uncured} of them again when repeated at once), a key was not had for at most {LongestWithout.TotalSeconds:F2} s");
}

/// <summary>Holds WebSockets open, sends requests over known routes, and connects to keys that are held, each all the time, until asked what it was like.</summary>
internal sealed class IdleClients : IAsyncDisposable
{
    private readonly Clients _clients;
    private readonly CancellationTokenSource _enough;
    private readonly CancellationToken _stop;
    private readonly List<Task<bool>> _streams;
    private readonly List<Task> _others;
    private int _visits;
    private int _failedVisits;
    private int _connects;
    private int _failedConnects;
    private int _uncured;
    private long _longest;

    /// <param name="clients">Who does it.</param>
    /// <param name="sessions">To whom, and by which keys they are had.</param>
    /// <param name="proxies">Over which.</param>
    /// <param name="stop">The run's end.</param>
    public IdleClients(Clients clients, IReadOnlyList<(Wish Wish, Ticket Ticket)> sessions, IReadOnlyList<int> proxies, CancellationToken stop)
    {
        (_clients, _stop) = (clients, stop);
        _enough = CancellationTokenSource.CreateLinkedTokenSource(stop);
        _streams = [.. proxies.SelectMany(p => sessions.Select(s => clients.StreamAsync(s.Ticket, p, TimeSpan.FromHours(1), stop, _enough.Token)))];
        _others = [.. proxies.Select(p => VisitAsync(sessions, p)), .. sessions.Select(s => ConnectAsync(s.Wish))];
    }

    public async Task<Seen> EndAsync()
    {
        await _enough.CancelAsync();
        await Task.WhenAll(_others);
        var whole = (await Task.WhenAll(_streams)).Count(ok => ok);
        return new Seen(_visits, _failedVisits, _connects, _failedConnects, _uncured, _streams.Count, _streams.Count - whole, TimeSpan.FromTicks(_longest / 100));
    }

    public async ValueTask DisposeAsync()
    {
        await EndAsync();
        _enough.Dispose();
    }

    private async Task VisitAsync(IReadOnlyList<(Wish Wish, Ticket Ticket)> sessions, int proxy)
    {
        for (var i = 0; !_enough.IsCancellationRequested; i++)
        {
            Interlocked.Increment(ref _visits);
            if (!(await _clients.VisitAsync(sessions[i % sessions.Count].Ticket, proxy, _stop)).Ok)
            {
                Interlocked.Increment(ref _failedVisits);
            }

            await PauseAsync(50);
        }
    }

    private async Task ConnectAsync(Wish wish)
    {
        var had = BootClock.Now;
        for (var turn = 0; !_enough.IsCancellationRequested; turn++)
        {
            Interlocked.Increment(ref _connects);
            var ok = (await _clients.ConnectAsync(wish, _stop, turn)).Entry.Ok;
            if (!ok)
            {
                Interlocked.Increment(ref _failedConnects);
                ok = (await _clients.ConnectAsync(wish, _stop, ++turn)).Entry.Ok;
                Interlocked.Add(ref _uncured, ok ? 0 : 1);
            }

            if (ok)
            {
                var now = BootClock.Now;
                lock (_enough)
                {
                    _longest = Math.Max(_longest, now - had);
                }

                had = now;
            }

            await PauseAsync(100);
        }
    }

    private async Task PauseAsync(int milliseconds) => await Task.WhenAny(Task.Delay(TimeSpan.FromMilliseconds(milliseconds), TimeProvider.System, _enough.Token));
}
