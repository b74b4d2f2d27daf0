using System.Collections.Concurrent;
using System.Reflection;
using Orleans;
using Plane.Hosting.Cluster;

namespace Plane.Tests.Dns;

/// <summary>A client whose certificate grains answer from a table, or as a test has it: away, silent, late.</summary>
public class Controller : DispatchProxy
{
    private readonly ConcurrentDictionary<ClusterName, string[]> _values = new();
    private ICertificateGrain _grain = null!;
    private Controller? _owner;
    private int _asked;

    public static Controller Make()
    {
        var controller = (Controller)(object)Create<IClusterClient, Controller>();
        controller.Read = (cluster, _) => Task.FromResult(controller._values.GetValueOrDefault(cluster, []));
        controller._grain = Create<ICertificateGrain, Controller>();
        ((Controller)(object)controller._grain)._owner = controller;
        return controller;
    }

    public ClusterConnection Connection => new((IClusterClient)(object)this);

    /// <summary>What a reading does.</summary>
    public Func<ClusterName, CancellationToken, Task<string[]>> Read { get; set; } = null!;

    /// <summary>How often it was asked.</summary>
    public int Asked => Volatile.Read(ref _asked);

    public void Set(string cluster, params string[] values) => _values[ClusterName.Parse(cluster)] = values;

    protected override object? Invoke(MethodInfo? targetMethod, object?[]? args)
    {
        switch (targetMethod!.Name)
        {
            case nameof(IGrainFactory.GetGrain):
                return _grain;
            case nameof(ICertificateGrain.ReadTxt):
                Interlocked.Increment(ref _owner!._asked);
                return _owner.Read((ClusterName)args![0]!, (CancellationToken)args[1]!);
            default:
                throw new NotSupportedException(targetMethod.Name);
        }
    }
}
