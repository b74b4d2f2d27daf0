using System.Data.Common;

namespace Plane.Storage;

/// <summary>Reads what rows of both databases have alike: names, and enums as their names.</summary>
internal static class StoredRows
{
    /// <summary>Reads the eight columns of a holder, from this one on.</summary>
    public static HolderInfo ReadHolder(DbDataReader row, int at) => new()
    {
        Identity = ReadIdentity(row, at),
        Tag = row.GetString(at + 2),
        Cluster = ClusterName.Parse(row.GetString(at + 3)),
        Drone = DroneName.Parse(row.GetString(at + 4)),
        Status = EnumText.Parse<BackendStatus>(row.GetString(at + 5)),
        Subdomain = TextOrNull(row, at + 6),
        StaticToken = TextOrNull(row, at + 7) is { } token ? BearerToken.Parse(token) : null,
    };

    /// <summary>Reads a backend's name, and its fencing token from the next column.</summary>
    public static BackendIdentity ReadIdentity(DbDataReader row, int at) => new(BackendName.Parse(row.GetString(at)), new FencingToken(row.GetInt64(at + 1)));

    public static string? TextOrNull(DbDataReader row, int at) => row.IsDBNull(at) ? null : row.GetString(at);
}
