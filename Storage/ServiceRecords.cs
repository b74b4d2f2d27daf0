namespace Plane.Storage;

/// <summary>What became of a service that was put.</summary>
public enum ServiceWriteOutcome
{
    /// <summary>It was so already.</summary>
    Unchanged = 0,

    /// <summary>It is new.</summary>
    Created = 1,

    /// <summary>It was changed.</summary>
    Changed = 2,

    /// <summary>There are as many services as there may be (<see cref="ServiceLimits.MaxServices"/>).</summary>
    TooMany = 3,
}

/// <summary>The result of a service that was put.</summary>
/// <param name="Outcome">What became of it.</param>
/// <param name="Service">The service; null where there are too many.</param>
public sealed record ServiceWrite(ServiceWriteOutcome Outcome, ServiceDefinition? Service);

/// <summary>A service and what runs for it.</summary>
/// <param name="Service">The service.</param>
/// <param name="Backends">Its backends with a key that have not ended.</param>
/// <param name="WarmReady">Those without a key that can be claimed.</param>
/// <param name="WarmStarting">Those without a key that are being started.</param>
public sealed record ServiceUse(ServiceDefinition Service, int Backends, int WarmReady, int WarmStarting);

/// <summary>A service with its signing keys.</summary>
/// <param name="Service">The service.</param>
/// <param name="Keys">Its signing keys.</param>
/// <param name="ReadAt">Where the change log was.</param>
public sealed record ServiceRead(ServiceDefinition Service, IReadOnlyList<SigningKey> Keys, LogPosition ReadAt);

/// <summary>What became of a signing key that was added.</summary>
public enum SigningKeyOutcome
{
    /// <summary>There is no such service.</summary>
    NoSuchService = -1,

    /// <summary>The service had it already.</summary>
    Unchanged = 0,

    /// <summary>It was added.</summary>
    Added = 1,

    /// <summary>Another key has its kid.</summary>
    KidTaken = 2,

    /// <summary>The service has as many keys as it may have (<see cref="SigningKeyRules.MaxKeys"/>).</summary>
    TooMany = 3,
}

/// <summary>Starts that failed one after another.</summary>
/// <param name="Count">How many.</param>
/// <param name="Backend">The last backend.</param>
/// <param name="Ended">What the last backend's end was: its message, or its exit code; null where it is not known any more.</param>
/// <param name="OutputTail">The last backend's last lines.</param>
public sealed record StartFailures(int Count, BackendName Backend, string? Ended, string? OutputTail);

/// <summary>Bounds of services.</summary>
public static class ServiceLimits
{
    /// <summary>The most services of an installation: the list of all is one answer.</summary>
    public const int MaxServices = 1_000;
}
