namespace Plane.Grains;

/// <summary>What the grains of one silo need to know. Checked when they are added; a bad value names itself.</summary>
public sealed class GrainOptions
{
    /// <summary>The controller that this silo is: stored with each drone and proxy that it last spoke to. Default: a random name.</summary>
    public ControllerName ControllerName { get; set; } = ControllerName.NewRandom();

    /// <summary>The times of every lease. All silos of a cluster and its store must have the same ones. Shorter ones find lost backends sooner
    /// and survive shorter outages.</summary>
    public LeaseOptions LeaseNumbers { get; set; } = new();

    /// <summary>The program's version, for the cluster's state. Default <c>0.0.0</c>.</summary>
    public string Version { get; set; } = "0.0.0";

    /// <summary>The program's source revision, for the cluster's state. Default empty.</summary>
    public string Hash { get; set; } = "";

    /// <summary>
    /// How long an ended backend and its history are kept. Default 7 days; longer costs disk, shorter loses the answer
    /// to "what became of it?".
    /// </summary>
    public TimeSpan KeepEndedBackends { get; set; } = TimeSpan.FromDays(7);

    /// <summary>
    /// How long rows of the change log are kept. Default 1 day. A reader that was away for longer must check again all that it knows, so it
    /// should be longer than any outage that proxies are to survive with a warm cache.
    /// </summary>
    public TimeSpan KeepLogRows { get; set; } = TimeSpan.FromDays(1);

    /// <summary>What is wrong, one sentence each.</summary>
    public IEnumerable<string> Problems()
    {
        if (ControllerName == default)
        {
            yield return "the controller's name must be set";
        }

        if (LeaseNumbers.Validate() is { } problem)
        {
            yield return problem;
        }

        if (NameRules.TextProblem(Version, 1) is { } version)
        {
            yield return $"the version {version}";
        }

        if (NameRules.TextProblem(Hash, 0) is { } hash)
        {
            yield return $"the hash {hash}";
        }

        if (KeepEndedBackends < TimeSpan.Zero)
        {
            yield return "the age at which ended backends are cleaned up must not be negative";
        }

        if (KeepLogRows < TimeSpan.FromMinutes(1))
        {
            yield return "the age at which rows of the change log are cleaned up must be at least a minute";
        }
    }
}
