namespace Plane.DnsHost.Server;

/// <summary>What becomes of a question's answer.</summary>
internal enum RateVerdict
{
    Answer,
    Slip,
    Drop,
}

/// <summary>
/// Limits the UDP answers to each network, whose addresses may be forged. In a table of fixed size: a flood of forged networks makes it forget, and gives none of
/// them more answers than questions. Each place holds one network and the moment up to which its answers are used up (the generic cell rate algorithm):
/// <list type="number">
/// <item>the moment is not in the past;</item>
/// <item>an answer moves it on by the time that one answer takes at the rate;</item>
/// <item>more than a second ahead there is no answer.</item>
/// </list>
/// </summary>
internal sealed class RateLimiter
{
    private const int Places = 1 << 16;
    private const int Locks = 64;

    private readonly TimeProvider _time;
    private readonly long _step;
    private readonly long _burst;
    private readonly int _slip;
    private readonly ulong _seed = (ulong)Random.Shared.NextInt64();
    private readonly Place[] _places;
    private readonly Lock[] _locks = [.. Enumerable.Range(0, Locks).Select(_ => new Lock())];

    public RateLimiter(DnsOptions options, TimeProvider time)
    {
        _time = time;
        _slip = options.RateSlip;
        _burst = time.TimestampFrequency;
        _step = options.RateLimit > 0 ? Math.Max(1, time.TimestampFrequency / options.RateLimit) : 0;
        _places = new Place[_step > 0 ? Places : 0];
    }

    public RateVerdict Check(ulong network)
    {
        if (_step == 0)
        {
            return RateVerdict.Answer;
        }

        var index = (int)(Mix(network ^ _seed) >> 48);
        var now = _time.GetTimestamp();
        lock (_locks[index % Locks])
        {
            ref var place = ref _places[index];
            if (place.Network != network)
            {
                place = new Place { Network = network };
            }

            var used = Math.Max(place.UsedUpTo, now);
            if (used + _step - now <= _burst)
            {
                place.UsedUpTo = used + _step;
                return RateVerdict.Answer;
            }

            place.Refused++;
            return _slip > 0 && place.Refused % _slip == 0 ? RateVerdict.Slip : RateVerdict.Drop;
        }
    }

    // Finalizer of MurmurHash3: every bit of the network reaches the upper ones.
    private static ulong Mix(ulong x)
    {
        x = (x ^ (x >> 33)) * 0xFF51AFD7ED558CCD;
        x = (x ^ (x >> 33)) * 0xC4CEB9FE1A85EC53;
        return x ^ (x >> 33);
    }

    private struct Place
    {
        public ulong Network;
        public long UsedUpTo;
        public uint Refused;
    }
}
