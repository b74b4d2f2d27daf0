using System.Net;
using System.Net.Sockets;
using Plane.Drone.Runtimes;
using Plane.Drone.State;

namespace Plane.Drone.Ports;

/// <summary>
/// Gives backends ports of the drone's range, round robin. A port rests after its backend is gone, counted on the lease clock: a proxy may still hold a route to
/// the old one. What rests and where the round stands is read from the state file, so a restart changes nothing; after a reboot every port of an ended backend
/// rests from the boot on.
/// </summary>
internal sealed class PortAllocator
{
    private readonly Lock _gate = new();
    private readonly Dictionary<int, long> _restUntil = [];
    private readonly HashSet<int> _inUse = [];
    private readonly IPAddress _ip;
    private readonly int _first;
    private readonly int _last;
    private readonly long _rest;
    private readonly ILeaseClock _clock;
    private int _cursor;

    public PortAllocator(DroneOptions options, ILeaseClock clock, int cursor, IEnumerable<BackendRow> backends)
    {
        _ip = IPAddress.Parse(options.Ip);
        _first = options.PortFrom;
        _last = options.PortTo;
        _rest = (long)options.PortRest.TotalMilliseconds;
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

    /// <summary>The next port that has rested and that nothing listens on.</summary>
    /// <exception cref="RuntimeFailureException">There is none.</exception>
    public int Take()
    {
        lock (_gate)
        {
            var now = _clock.Milliseconds;
            for (var tries = _first; tries <= _last; tries++)
            {
                _cursor = _cursor < _first || _cursor >= _last ? _first : _cursor + 1;
                if (!_inUse.Contains(_cursor) && !(_restUntil.TryGetValue(_cursor, out var until) && now < until) && IsFree(_cursor))
                {
                    _restUntil.Remove(_cursor);
                    _inUse.Add(_cursor);
                    return _cursor;
                }
            }
        }

        throw new RuntimeFailureException($"no port of {_first}-{_last} is free and rested");
    }

    /// <summary>Lets a port rest from now on.</summary>
    public void Release(int port)
    {
        lock (_gate)
        {
            if (_inUse.Remove(port))
            {
                Rest(port, _clock.Milliseconds);
            }
        }
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
