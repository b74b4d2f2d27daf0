namespace Plane.Proxy.Controller;

/// <summary>
/// All that the proxy asks of the controller. The one seam where tests script faults. Any exception but a cancellation of the caller's own means that there was no answer, and that the call may be retried.
/// </summary>
internal interface IControllerCalls
{
    /// <summary>Where a token leads. Each further <paramref name="attempt"/> may go another way.</summary>
    Task<RouteReply> ResolveAsync(BearerToken token, string tokenHash, int attempt, TimeSpan wait, CancellationToken cancellationToken);

    Task<ChangePage> ReadChangesAsync(LogPosition? after, TimeSpan wait, CancellationToken cancellationToken);

    /// <summary>Tells what is in use; a report of many comes in parts, of which each but the last <paramref name="continues"/>.</summary>
    Task<ProxyReportReply> ReportAsync(BackendIdentity[] inUse, bool continues, CancellationToken cancellationToken);
}
