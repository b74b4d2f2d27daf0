using System.Net;
using System.Net.Sockets;
using Plane.DroneHost.Runtimes;
using Plane.DroneHost.State;

namespace Plane.DroneHost.Ports;

/// <summary>
/// Gives backends ports of the drone's range, round robin. A port rests after its backend is gone, counted on the lease clock: a proxy may still hold a route to
/// the old one. Which ports rest and the position of the round are read from the state file, so a restart changes nothing; after a reboot every port of an ended backend
/// rests from the boot on.
/// <para>
/// A backend gets its port before anything is brought for it, so that <see cref="IsShort"/> counts every spawn that was taken: a drone whose ports all rest has room for
/// backends and could start none, and is the one with the least load of all.
/// </para>
/// </summary>
internal sealed class PortAllocator
{
    private readonly Lock _gate = new();
    private readonly Dictionary<int, long> _restUntil = [];
    private readonly HashSet<int> _inUse = [];
    private readonly IPAddress _ip;
    private readonly int _first;
    private readonly int _last;
    private readonly int _places;
    private readonly long _rest;
    private readonly long _patience;
    private readonly ILeaseClock _clock;
    private int _cursor;

    public PortAllocator(DroneOptions options, ILeaseClock clock, int cursor, IEnumerable<BackendRow> backends)
    {
        _ip = IPAddress.Parse(options.Ip);
        _first = options.PortFrom;
        _last = options.PortTo;
        _places = options.Places;
        _rest = (long)options.PortRest.TotalMilliseconds;
        _patience = (long)options.RuntimeAwayLimit.TotalMilliseconds;
        _clock = clock;
        _cursor = cursor;
        foreach (var row in backends)
        {
            if (row.Port is not { } port)
            {
                continue;
            }

            if (row.Status == BackendStatus.Terminated)
            {
                Rest(port, row.StopBoot == clock.BootId ? row.EndedAt ?? clock.Milliseconds : 0);
            }
            else
            {
                _inUse.Add(port);
            }
        }
    }

    /// <summary>Raised when <see cref="IsShort"/> may have changed, but not when a port has rested.</summary>
    public event Action? Changed;

    /// <summary>Whether it has fewer backends than it may have, and no port for another one.</summary>
    public bool IsShort
    {
        get
        {
            lock (_gate)
            {
                return _inUse.Count < _places && Next(_clock.Milliseconds) is null;
            }
        }
    }

    /// <summary>The next port that has rested and that nothing listens on.</summary>
    /// <exception cref="RuntimeUnavailableException">There is none, but one will have rested before a start has waited for too long.</exception>
    /// <exception cref="RuntimeFailureException">There is none.</exception>
    public int Take()
    {
        int taken;
        lock (_gate)
        {
            var now = _clock.Milliseconds;
            if (Next(now) is not { } port)
            {
                var none = $"no port from {_first} to {_last} is available: all are in use or were used recently";
                var rested = _restUntil.Where(r => r.Key >= _first && r.Key <= _last && r.Value > now).Select(r => r.Value).DefaultIfEmpty(long.MaxValue).Min() - now;
                throw rested <= _patience ? new RuntimeUnavailableException($"{none}; the next one is available in {rested / 1_000.0:0.#} s") : new RuntimeFailureException(none);
            }

            _cursor = taken = port;
            _restUntil.Remove(port);
            _inUse.Add(port);
        }

        Changed?.Invoke();
        return taken;
    }

    /// <summary>Lets a port rest from now on; or gives it back as it was, where no other component knows of it.</summary>
    public void Release(int port, bool wasTold = true)
    {
        lock (_gate)
        {
            if (_inUse.Remove(port) && wasTold)
            {
                Rest(port, _clock.Milliseconds);
            }
        }

        Changed?.Invoke();
    }

    private int? Next(long now)
    {
        var port = _cursor;
        for (var tries = _first; tries <= _last; tries++)
        {
            port = port < _first || port >= _last ? _first : port + 1;
            if (!_inUse.Contains(port) && !(_restUntil.TryGetValue(port, out var until) && now < until) && IsFree(port))
            {
                return port;
            }
        }

        return null;
    }

    private void Rest(int port, long from) => _restUntil[port] = Math.Max(_restUntil.GetValueOrDefault(port), from + _rest);

    private bool IsFree(int port)
    {
        // Another program may use a port of the range; binding it exclusively finds out, whatever address family that listens on.
        try
        {
            using var probe = new Socket(_ip.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { ExclusiveAddressUse = true };
            probe.Bind(new IPEndPoint(_ip, port));
            return true;
        }
        catch (SocketException e) when (e.SocketErrorCode is SocketError.AddressAlreadyInUse or SocketError.AccessDenied)
        {
            return false;
        }
    }
}
