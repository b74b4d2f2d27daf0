using Microsoft.Extensions.Logging;
using Plane.DroneHost.Runtimes;
using Plane.DroneHost.Supervision;

namespace Plane.DroneHost.Housekeeping;

/// <summary>
/// What backends may reserve on this drone: what its options say, else what the runtime says of its machine, else what this machine has; the CPUs and the memory times their
/// overcommit. Read again every minute: file systems grow, engines are moved. What could not be read stays as it was.
/// </summary>
internal sealed partial class DroneCapacity
{
    private static readonly TimeSpan s_every = TimeSpan.FromMinutes(1);

    private readonly DroneOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger<DroneCapacity> _logger;
    private readonly Outage _outage;
    private RuntimeResources _runtime = new();
    private long _diskBytes;
    private ResourceAmounts _current;

    public DroneCapacity(DroneOptions options, TimeProvider time, ILogger<DroneCapacity> logger)
    {
        _options = options;
        _time = time;
        _logger = logger;
        _outage = new Outage(time);
        ReadDisk();
        _current = Compose();
    }

    /// <summary>Raised when it has changed.</summary>
    public event Action? Changed;

    /// <summary>What may be reserved.</summary>
    public ResourceAmounts Current => Volatile.Read(ref _current);

    /// <summary>Keeps it up to date.</summary>
    public async Task RunAsync(RuntimeSet runtimes, CancellationToken cancellationToken)
    {
        while (true)
        {
            ReadDisk();
            await ReadRuntimesAsync(runtimes, cancellationToken);
            var now = Compose();
            if (now != Current)
            {
                Volatile.Write(ref _current, now);
                LogChanged(now.CpuMillis / 1000.0, now.MemoryBytes, now.DiskBytes, now.Gpus);
                Changed?.Invoke();
            }

            await Task.Delay(s_every, _time, cancellationToken);
        }
    }

    private async Task ReadRuntimesAsync(RuntimeSet runtimes, CancellationToken cancellationToken)
    {
        foreach (var runtime in runtimes.All.Where(r => runtimes.Has(r.Kind)))
        {
            try
            {
                _runtime = await runtime.ReadResourcesAsync(cancellationToken) ?? _runtime;
            }
            catch (RuntimeUnavailableException e)
            {
                if (_outage.ShouldLog(e.Message))
                {
                    LogNotRead(e.Message);
                }
            }
        }
    }

    private void ReadDisk()
    {
        try
        {
            _diskBytes = new DriveInfo(Path.GetDirectoryName(Path.GetFullPath(_options.StateFile)) ?? "/").TotalSize;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            if (_outage.ShouldLog(e.Message))
            {
                LogNotRead(e.Message);
            }
        }
    }

    private ResourceAmounts Compose() => new()
    {
        CpuMillis = Amount((_options.Cpus * 1000 ?? _runtime.CpuMillis ?? Environment.ProcessorCount * 1000.0) * _options.CpuOvercommit),
        MemoryBytes = Amount((_options.Memory?.Bytes ?? _runtime.MemoryBytes ?? GC.GetGCMemoryInfo().TotalAvailableMemoryBytes) * _options.MemoryOvercommit),
        DiskBytes = Amount(_options.Disk?.Bytes ?? _diskBytes),
        Gpus = Math.Min(_options.Gpus ?? _runtime.Gpus, ResourceAmounts.MostGpus),
    };

    private static long Amount(double amount) => (long)Math.Clamp(Math.Round(amount), 0, ResourceAmounts.Most);

    [LoggerMessage(EventIds.DroneCapacityChanged, LogLevel.Information, "Backends may reserve {Cpus} CPUs, {Memory} bytes of memory, {Disk} bytes of disk and {Gpus} GPUs")]
    private partial void LogChanged(double cpus, long memory, long disk, int gpus);

    [LoggerMessage(EventIds.DroneCapacityNotRead, LogLevel.Warning, "This machine's CPUs, memory or disk could not be read: {Reason}. The drone keeps the last known values")]
    private partial void LogNotRead(string reason);
}
