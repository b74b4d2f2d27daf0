using Plane.Hosting.Running;
using Plane.ProxyHost.Connections;
using Plane.ProxyHost.Controller;
using Plane.ProxyHost.Tls;

namespace Plane.ProxyHost;

/// <summary>What a running proxy says of itself.</summary>
public sealed class ProxyStatus
{
    private readonly TaskCompletionSource<IReadOnlyList<Uri>> _listening = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<Uri> _https = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly ControllerContact _contact;
    private readonly OpenExchanges _open;
    private readonly CertificateSlot? _certificate;

    internal ProxyStatus(ProxyOptions options, ControllerContact contact, OpenExchanges open, CertificateSlot? certificate)
    {
        Name = ProxyName.Parse(options.Name);
        Cluster = ClusterName.Parse(options.Cluster);
        _contact = contact;
        _open = open;
        _certificate = certificate;
    }

    /// <summary>The proxy's name.</summary>
    public ProxyName Name { get; }

    /// <summary>The cluster it serves.</summary>
    public ClusterName Cluster { get; }

    /// <summary>Ends with the addresses that it listens on, the port really taken among them.</summary>
    public Task<IReadOnlyList<Uri>> WhenListening => _listening.Task;

    /// <summary>Why <c>/ready</c> says no, or null.</summary>
    public string? NotReadyBecause => _contact.NotReadyBecause()
        ?? _certificate?.NotReadyBecause
        ?? FileDescriptors.Problem();

    /// <summary>Ends with the address of HTTPS once it is open, which takes a certificate.</summary>
    public Task<Uri> WhenServingHttps => _https.Task;

    /// <summary>Requests in flight.</summary>
    public int OpenRequests => _open.Count;

    internal void ServesHttps(Uri address) => _https.TrySetResult(address);

    internal void Listens(IReadOnlyList<Uri> addresses) => _listening.TrySetResult(addresses);
}
