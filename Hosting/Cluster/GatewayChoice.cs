using Microsoft.Extensions.Logging;

namespace Plane.Hosting.Cluster;

/// <summary>
/// Chooses the gateway that a host's calls go over.
/// <para>
/// Orleans' client binds each grain to one of its gateways and keeps to it while the connection is open. A controller that is stopped or frozen closes no connection: calls over it
/// wait for their time-out, for as long as it is so. But a stateless grain is the same under each of its keys (<see cref="IReachable"/>), different keys are bound to different
/// gateways, and every call may be made twice. So:
/// </para>
/// <list type="number">
/// <item>Calls use one key, for as long as the controller behind it answers.</item>
/// <item>A call without an answer for 150 ms has the grain pinged under that key, as soon as nothing else was answered for as long, and from then on each 500 ms. A controller whose database
/// answers it answers a ping at once, however long a waiting call takes: so one that is only slow is not asked more.</item>
/// <item>Without an answer to the ping within 300 ms new keys are pinged: Orleans binds them to its gateways in turn, while known ones may all be bound to one, as after the other
/// was restarted. The first that answers is used from then on. Calls that still wait under the former key are cancelled and made again. Where no key answers, the calls continue
/// waiting: there is no better gateway.</item>
/// <item>A call that fails without a known outcome is followed by the same pings, and made again where another key answers: a controller may be there and be without its database. After any other failure, and where
/// no key answers, the next call uses the next key.</item>
/// </list>
/// Thread-safe.
/// </summary>
/// <typeparam name="TGrain">The grain that is called.</typeparam>
/// <param name="grain">Makes the reference of a key's number.</param>
/// <param name="time">Measures the silence.</param>
/// <param name="logger">Where a change is logged.</param>
/// <param name="isOnlyOne">Whether calls go to the silo of this process, so that there is nothing to choose: calls are never pinged.</param>
/// <param name="start">What calls wait for before they are made; it does not fail.</param>
public sealed partial class GatewayChoice<TGrain>(Func<int, TGrain> grain, TimeProvider time, ILogger logger, bool isOnlyOne = false, Task? start = null)
    where TGrain : IReachable
{
    private static readonly TimeSpan s_first = TimeSpan.FromMilliseconds(150);
    private static readonly TimeSpan s_later = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan s_ping = TimeSpan.FromMilliseconds(300);

    // After a check that found nothing better: controllers that are all overloaded must not be pinged on top of it.
    private static readonly TimeSpan s_rest = TimeSpan.FromSeconds(2);

    // Controllers that are all stopped must not find a heap of keys when they continue. Keys that are bound to a stopped gateway stay bound to it, and Orleans leaves a gateway that is
    // back out for GatewayList.RefreshPeriod: so new keys are needed about as often.
    private static readonly TimeSpan s_newKeys = TimeSpan.FromSeconds(2);

    private readonly Lock _gate = new();
    private volatile Way _current = new(0);

    // Guarded by _gate: until when no failed call is followed by pings.
    private long _restUntil = long.MinValue;

    // Guarded by _gate. The first is always the one that controllers of an earlier version know.
    private int[] _keys = [.. Enumerable.Range(0, GrainKeys.Ways)];
    private long _newKeysAt = long.MinValue;

    /// <summary>Makes a call, over another gateway too where the first one does not answer.</summary>
    /// <param name="call">The call. It must be one that may be made twice.</param>
    /// <param name="skip">How many keys further than the one in use: for the repetition of a call whose first attempt is still unanswered.</param>
    /// <param name="cancellationToken">Gives up the call.</param>
    public async Task<T> CallAsync<T>(Func<TGrain, CancellationToken, Task<T>> call, int skip, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(call);
        if (start is { IsCompleted: false })
        {
            await start.WaitAsync(cancellationToken);
        }

        var way = skip == 0 ? _current : Further(_current, skip);
        while (true)
        {
            using var attempt = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            var answer = StartAsync(call, way, attempt.Token);
            try
            {
                if (await IsAnsweredAsync(way, answer, cancellationToken))
                {
                    return await answer;
                }
            }
            catch (Exception e) when (!cancellationToken.IsCancellationRequested)
            {
                if (skip == 0 && CallFailed.IsUnknownOutcome(e) && MayLookForAnother())
                {
                    await CheckAsync(way).WaitAsync(cancellationToken);
                }

                if (!way.IsLeft)
                {
                    Leave(way);
                    throw;
                }
            }
            finally
            {
                // Not left to the caller's token: the link to it ends here, maybe before the token has reached the call.
                await attempt.CancelAsync();
            }

            way = _current;
        }
    }

    private async Task<T> StartAsync<T>(Func<TGrain, CancellationToken, Task<T>> call, Way way, CancellationToken cancellationToken)
    {
        var answer = await call(grain(way.Number), cancellationToken);
        way.Answered(time.GetTimestamp());
        return answer;
    }

    private bool MayLookForAnother()
    {
        lock (_gate)
        {
            return !isOnlyOne && time.GetTimestamp() >= _restUntil;
        }
    }

    private void Leave(Way way)
    {
        lock (_gate)
        {
            if (_current.Number == way.Number)
            {
                _current = Further(way, 1);
            }
        }
    }

    /// <summary>Waits for the answer; false where the call is to be made under the key that is now in use.</summary>
    private async Task<bool> IsAnsweredAsync(Way way, Task answer, CancellationToken cancellationToken)
    {
        if (isOnlyOne)
        {
            await answer.WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            cancellationToken.ThrowIfCancellationRequested();
            return true;
        }

        var pause = s_first;
        while (true)
        {
            await answer.WaitAsync(pause, time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (answer.IsCompleted)
            {
                return true;
            }

            cancellationToken.ThrowIfCancellationRequested();
            if (!way.HasAnsweredWithin(pause, time))
            {
                await Task.WhenAny(answer, CheckAsync(way)).WaitAsync(cancellationToken);
                pause = s_later;
            }

            if (way.IsLeft && !answer.IsCompleted)
            {
                return false;
            }
        }
    }

    /// <summary>One check at a time for all that wait under a key.</summary>
    private Task CheckAsync(Way way)
    {
        lock (_gate)
        {
            if (time.GetTimestamp() >= way.NextCheckAt)
            {
                way.NextCheckAt = long.MaxValue;

                // It is for all that wait, and not part of the trace of the one that happened to begin it.
                using (ExecutionContext.SuppressFlow())
                {
                    way.Check = Task.Run(() => RunCheckAsync(way));
                }
            }

            return way.Check;
        }
    }

    private async Task RunCheckAsync(Way way)
    {
        var own = PingAsync(way.Number);
        await ((Task)own).WaitAsync(s_ping, time).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        var answers = own.IsCompletedSuccessfully && own.Result is not null;
        var first = answers ? way.Number : await FirstAnswerAsync(own);
        lock (_gate)
        {
            var now = time.GetTimestamp();
            if (first == way.Number)
            {
                way.Answered(now);
            }

            if (first is not { } number || number == way.Number)
            {
                var rested = now + (long)(s_rest.TotalSeconds * time.TimestampFrequency);
                way.NextCheckAt = answers ? now : rested;
                _restUntil = rested;
                return;
            }

            way.IsLeft = true;
            if (_current.Number != way.Number)
            {
                return;
            }

            _current = new Way(number);
            _current.Answered(now);
        }

        LogChanged();
    }

    private async Task<int?> FirstAnswerAsync(Task<int?> own)
    {
        await foreach (var ping in Task.WhenEach(Keys().Select(PingAsync).Append(own)))
        {
            if (await ping is { } number)
            {
                return number;
            }
        }

        return null;
    }

    private Way Further(Way way, int keys)
    {
        lock (_gate)
        {
            return new Way(_keys[(Array.IndexOf(_keys, way.Number) + keys) % _keys.Length]);
        }
    }

    private int[] Keys()
    {
        lock (_gate)
        {
            var now = time.GetTimestamp();
            if (_newKeysAt == long.MinValue || time.GetElapsedTime(_newKeysAt, now) > s_newKeys)
            {
                _newKeysAt = now;
                var next = _keys[^1] + GrainKeys.Ways > GrainKeys.MaxWay ? 1 : _keys[^1] + 1;
                _keys = [0, .. Enumerable.Range(next, GrainKeys.Ways - 1)];
            }

            return _keys;
        }
    }

    /// <summary>The number, where the controller behind it has answered.</summary>
    private async Task<int?> PingAsync(int number)
    {
        try
        {
            await grain(number).Ping();
            return number;
        }
        catch (Exception e)
        {
            // Any other failure is an answer too: a controller of an earlier version does not know the call.
            LogPing(number, e.Message);
            return CallFailed.IsUnknownOutcome(e) || e is OperationCanceledException ? null : number;
        }
    }

    [LoggerMessage(EventIds.GatewayChoiceChanged, LogLevel.Information, "A controller has not answered for some time; calls are made over another gateway")]
    private partial void LogChanged();

    [LoggerMessage(EventIds.GatewayChoicePing, LogLevel.Debug, "The ping of key {Number} failed: {Reason}")]
    private partial void LogPing(int number, string reason);

    /// <summary>The use of one key from when it was chosen. The check is guarded by the choice's lock.</summary>
    private sealed class Way(int number)
    {
        private long _answeredAt = long.MinValue;
        private volatile bool _isLeft;

        public int Number => number;

        /// <summary>Another key is used instead, and calls that wait are made again.</summary>
        public bool IsLeft
        {
            get => _isLeft;
            set => _isLeft = value;
        }

        /// <summary>The latest check.</summary>
        public Task Check { get; set; } = Task.CompletedTask;

        /// <summary>When the next one may begin; never while one runs.</summary>
        public long NextCheckAt { get; set; } = long.MinValue;

        public void Answered(long now) => Volatile.Write(ref _answeredAt, now);

        public bool HasAnsweredWithin(TimeSpan span, TimeProvider time)
        {
            var at = Volatile.Read(ref _answeredAt);
            return at != long.MinValue && time.GetElapsedTime(at) < span;
        }
    }
}
