using System.Data.Common;

namespace Plane.Storage;

/// <summary>Reads what rows of both databases have alike: names, enums as their names, and records of the same columns.</summary>
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

    /// <summary>Reads the seven columns of a backend that failed.</summary>
    public static BackendFailure ReadFailure(DbDataReader row) => new(
        BackendName.Parse(row.GetString(0)),
        new KeyInfo { Namespace = row.GetString(1), Name = row.GetString(2), Tag = row.GetString(3), FencingToken = new FencingToken(row.GetInt64(4)) },
        EnumText.ParseOrNull<TerminationReason>(TextOrNull(row, 5)),
        row.IsDBNull(6) ? null : row.GetBoolean(6));

    /// <summary>Reads the fourteen columns of an action, from this one on.</summary>
    public static DroneAction ReadAction(DbDataReader row, int at) => new()
    {
        Number = row.GetInt64(at),
        Identity = ReadIdentity(row, at + 1),
        Kind = EnumText.Parse<DroneActionKind>(row.GetString(at + 3)),
        Spawn = row.IsDBNull(at + 4) ? null : StoreText.ReadSpawn(row.GetString(at + 4), new LeaseDeadlines
        {
            InstanceId = row.GetString(at + 5),
            BootId = row.GetString(at + 6),
            RenewAt = row.GetInt64(at + 7),
            SoftAt = row.GetInt64(at + 8),
            HardAt = row.GetInt64(at + 9),
        }),
        Terminate = row.IsDBNull(at + 10) ? null : new TerminateOrder
        {
            Kind = EnumText.Parse<TerminationKind>(row.GetString(at + 10)),
            Reason = EnumText.Parse<TerminationReason>(row.GetString(at + 11)),
        },
        Claim = row.IsDBNull(at + 12) ? null : StoreText.ReadClaim(row.GetString(at + 12), row.GetInt64(at + 13)),
    };

    /// <summary>Reads the four columns of what a drone has, or what is reserved of it, from this one on; null where it is not known.</summary>
    public static ResourceAmounts? ReadAmounts(DbDataReader row, int at) => row.IsDBNull(at) ? null : new ResourceAmounts
    {
        CpuMillis = row.GetInt64(at),
        MemoryBytes = row.GetInt64(at + 1),
        DiskBytes = row.GetInt64(at + 2),
        Gpus = row.GetInt32(at + 3),
    };

    /// <summary>Reads the three columns of a signing key, from this one on.</summary>
    /// <exception cref="FormatException">It is not valid.</exception>
    public static SigningKey ReadSigningKey(DbDataReader row, int at)
    {
        var key = new SigningKey { Kid = row.GetString(at), Alg = EnumText.Parse<SigningAlgorithm>(row.GetString(at + 1)), Material = row.GetString(at + 2) };
        return SigningKeyRules.IsValid(key) ? key : throw new FormatException("a signing key is not valid");
    }

    public static string? TextOrNull(DbDataReader row, int at) => row.IsDBNull(at) ? null : row.GetString(at);
}
