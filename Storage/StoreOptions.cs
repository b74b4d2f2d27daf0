namespace Plane.Storage;

/// <summary>Where the store is.</summary>
public sealed class StoreOptions
{
    /// <summary>
    /// <c>postgres://user:password@host:port/database?option=value</c>, an Npgsql connection string, or <c>sqlite:FILE</c>. PostgreSQL for production and for more
    /// than one controller; SQLite needs no server. No default.
    /// </summary>
    public string Url { get; set; } = "";

    /// <summary>The times of a lease; the store counts <see cref="LeaseOptions.Expiry"/>, <see cref="LeaseOptions.HeartbeatFresh"/> and
    /// <see cref="LeaseOptions.ProxySilent"/> by its own clock.</summary>
    public LeaseOptions Numbers { get; set; } = new();

    /// <summary>Names this controller to another one that is refused the same SQLite file. Default: the process and its machine.</summary>
    public string? Holder { get; set; }

    /// <summary>What is wrong with the options, a sentence each; no password in them.</summary>
    public IEnumerable<string> Problems()
    {
        if (!StoreUrl.TryParse(Url, out _, out var problem))
        {
            yield return problem;
        }

        if (Numbers.Validate() is { } wrong)
        {
            yield return wrong;
        }
    }
}
