namespace Plane.Storage;

/// <summary>The ids of this project's log messages. An id means one thing in the whole product and keeps its meaning: a new message gets a new one.</summary>
internal static class EventIds
{
    public const int PostgresStoreRetry = 2201;
    public const int PostgresMigratorSynchronousCommit = 2210;
    public const int PostgresMigratorMigrated = 2211;
    public const int PostgresMigratorFunctions = 2212;
    public const int PostgresFeedListenerBroke = 2230;
    public const int PostgresFeedListening = 2231;
    public const int PostgresFeedNotifyFailed = 2232;
    public const int PostgresFeedLong = 2233;
    public const int PostgresFeedLongEnded = 2234;
    public const int StoreOutageBegun = 2240;
    public const int StoreOutageOver = 2241;
    public const int PostgresStoreOtherServer = 2242;
    public const int PostgresStoreSessionDropped = 2243;
    public const int StoreOutageLasts = 2244;
    public const int StoreOutageStopped = 2245;
    public const int StoreOutageProbeThrew = 2246;
    public const int PostgresClockWrong = 2250;
    public const int PostgresClockRight = 2251;
    public const int UnreadableRowsUnreadable = 2260;
    public const int SqliteEngineMigrated = 2301;
    public const int SqliteEngineGroupFailed = 2302;
    public const int SqliteEngineLarge = 2306;
    public const int SqliteEngineSmall = 2307;
}
