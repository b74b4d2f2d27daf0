namespace Plane.ProxyHost.Controller;

/// <summary>
/// All that the proxy asks of the controller. The one seam where tests script faults. Any exception but a cancellation of the caller's own means that there was no answer, and that the call may be retried.
/// </summary>
internal interface IControllerCalls
{
    /// <summary>Where a token leads. Each further <paramref name="attempt"/> may go another way.</summary>
    Task<RouteReply> ResolveAsync(BearerToken token, string tokenHash, int attempt, TimeSpan wait, CancellationToken cancellationToken);

    /// <summary>What is needed to let visitors into a service; null where there is none of that name. Each further <paramref name="attempt"/> may go another way.</summary>
    Task<ServiceAccessInfo?> ReadAccessAsync(ServiceName service, int attempt, CancellationToken cancellationToken);

    /// <summary>Enters a service's key, or has its backend started. Repeated with the same command while the outcome is unknown; each further <paramref name="attempt"/> may go another way.</summary>
    Task<EnterReply> EnterAsync(EnterCommand command, int attempt, CancellationToken cancellationToken);

    Task<ChangePage> ReadChangesAsync(LogPosition? after, TimeSpan wait, CancellationToken cancellationToken);

    /// <summary>Tells what is in use; a report of many comes in parts, of which each but the last <paramref name="continues"/>.</summary>
    Task<ProxyReportReply> ReportAsync(BackendIdentity[] inUse, bool continues, CancellationToken cancellationToken);
}
