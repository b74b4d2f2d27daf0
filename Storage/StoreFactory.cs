using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Plane.Storage.Postgres;
using Plane.Storage.Sqlite;

namespace Plane.Storage;

/// <summary>Makes the store that a URL names.</summary>
public static class StoreFactory
{
    /// <summary>Makes a store; nothing is opened before <see cref="IStore.InitializeAsync"/>.</summary>
    /// <param name="url">As <see cref="StoreOptions.Url"/>.</param>
    /// <param name="numbers">The times of a lease.</param>
    /// <param name="loggers">Where to log.</param>
    /// <param name="time">For waits and retries; leases are counted by the database's clock.</param>
    /// <param name="clock">What the SQLite store's time progresses by.</param>
    /// <param name="holder">As <see cref="StoreOptions.Holder"/>.</param>
    /// <exception cref="StoreUrlException">The URL is none; the message says what is wrong with it and holds no password.</exception>
    public static IPlaneStore Create(
        string url, LeaseOptions numbers, ILoggerFactory? loggers = null, TimeProvider? time = null, ILeaseClock? clock = null, string? holder = null)
    {
        ArgumentNullException.ThrowIfNull(numbers);
        var parsed = StoreUrl.Parse(url);
        loggers ??= NullLoggerFactory.Instance;
        time ??= TimeProvider.System;
        return parsed.Kind switch
        {
            StoreKind.Postgres => new PostgresStore(parsed.Target, numbers, loggers, time),
            _ => new SqliteStore(parsed.Target, numbers, loggers, time, clock ?? BootTimeClock.Instance, holder),
        };
    }
}
