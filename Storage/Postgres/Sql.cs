using Npgsql;
using NpgsqlTypes;

namespace Plane.Storage.Postgres;

/// <summary>Typed positional parameters: each statement is prepared once per connection, whatever values are null.</summary>
internal static class Sql
{
    public static NpgsqlParameter Text(string? value) => Make(NpgsqlDbType.Text, value);

    public static NpgsqlParameter Texts(string?[]? values) => Make(NpgsqlDbType.Array | NpgsqlDbType.Text, values);

    public static NpgsqlParameter Bytes(byte[]? value) => Make(NpgsqlDbType.Bytea, value);

    public static NpgsqlParameter Big(long? value) => Make(NpgsqlDbType.Bigint, value);

    public static NpgsqlParameter Bigs(long[] values) => Make(NpgsqlDbType.Array | NpgsqlDbType.Bigint, values);

    public static NpgsqlParameter Int(int? value) => Make(NpgsqlDbType.Integer, value);

    public static NpgsqlParameter Ints(int?[] values) => Make(NpgsqlDbType.Array | NpgsqlDbType.Integer, values);

    public static NpgsqlParameter Bool(bool value) => Make(NpgsqlDbType.Boolean, value);

    public static NpgsqlParameter Bools(bool[] values) => Make(NpgsqlDbType.Array | NpgsqlDbType.Boolean, values);

    public static NpgsqlParameter Span(TimeSpan value) => Make(NpgsqlDbType.Interval, value);

    private static NpgsqlParameter Make(NpgsqlDbType type, object? value) => new() { NpgsqlDbType = type, Value = value ?? DBNull.Value };
}
