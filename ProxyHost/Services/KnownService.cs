using Plane.ProxyHost.Signing;

namespace Plane.ProxyHost.Services;

/// <summary>A service that the proxy has heard of. Its policy is one word, swapped whole: what a request took before may be compared with it later.</summary>
/// <param name="name">Its name.</param>
internal sealed class KnownService(ServiceName name)
{
    private volatile ServicePolicy? _policy;

    public ServiceName Name { get; } = name;

    /// <summary>Who may enter; null where that changed, and what it is now was not read yet.</summary>
    public ServicePolicy? Policy
    {
        get => _policy;
        set => _policy = value;
    }

    /// <summary>The last change of it that was seen; guarded by the directory's lock.</summary>
    public LogPosition ChangedAt { get; set; }

    /// <summary>Its keys when they were last read; guarded by the directory's lock.</summary>
    public VerificationKeys LastKeys { get; set; } = VerificationKeys.None;
}
