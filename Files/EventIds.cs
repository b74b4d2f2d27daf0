namespace Plane.Files;

/// <summary>The ids of this project's log messages. An id means one thing in the whole product and keeps its meaning: a new message gets a new one.</summary>
internal static class EventIds
{
    public const int SqliteWriterDied = 2303;
    public const int SqliteWriterRolledBack = 2304;
    public const int SqliteWriterNotOpened = 2305;
}
