using Plane.Proxy.Connections;
using Plane.Proxy.Controller;

namespace Plane.Proxy;

/// <summary>What a running proxy says of itself.</summary>
public sealed class ProxyStatus
{
    private readonly TaskCompletionSource<IReadOnlyList<Uri>> _listening = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly ControllerContact _contact;
    private readonly OpenExchanges _open;

    internal ProxyStatus(ProxyOptions options, ControllerContact contact, OpenExchanges open)
    {
        Name = ProxyName.Parse(options.Name);
        Cluster = ClusterName.Parse(options.Cluster);
        _contact = contact;
        _open = open;
    }

    /// <summary>The proxy's name.</summary>
    public ProxyName Name { get; }

    /// <summary>The cluster it serves.</summary>
    public ClusterName Cluster { get; }

    /// <summary>Ends with the addresses that it listens on, the port really taken among them.</summary>
    public Task<IReadOnlyList<Uri>> WhenListening => _listening.Task;

    /// <summary>Why <c>/ready</c> says no, or null.</summary>
    public string? NotReadyBecause => _contact.NotReadyBecause();

    /// <summary>Requests in flight.</summary>
    public int OpenRequests => _open.Count;

    internal void Listens(IReadOnlyList<Uri> addresses) => _listening.TrySetResult(addresses);
}
