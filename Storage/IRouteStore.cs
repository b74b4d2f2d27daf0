namespace Plane.Storage;

/// <summary>Where connection tokens lead, and what proxies report. The rules of <see cref="IPlaneStore"/> hold for each member.</summary>
public interface IRouteStore
{
    /// <summary>
    /// Withdraws connection tokens for good and logs each; NotFound where there is no such backend. A static token is withdrawn from its backend too: the next
    /// connect is given a fresh one, which the running backend does not know from its environment.
    /// </summary>
    Task<ChangeOutcome> RevokeAsync(BackendName backend, RevokeScope scope, CancellationToken cancellationToken);

    /// <summary>Where a token leads, with the position in the change log that the answer was read at.</summary>
    Task<RouteReply> ResolveAsync(string tokenHash, CancellationToken cancellationToken);

    /// <summary>Records a proxy's report: its sign of life and when the backends were last used, in one transaction.</summary>
    Task ReportProxyAsync(ProxyReport report, ControllerName controller, CancellationToken cancellationToken);
}
