using System.Data.Common;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging;

namespace Plane.Storage;

/// <summary>
/// Rows that can't be read: written by another program, or before a rule that they break. Such a row is skipped, so that it stops no reader of the rows beside it; it is
/// counted each time, and logged once. Any number of threads.
/// </summary>
internal sealed partial class UnreadableRows(ILogger logger)
{
    // More different ones are logged again: a bound on memory, not on what may be wrong.
    private const int MaxRemembered = 1_000;
    private const int LongestKey = 100;

    private readonly Lock _lock = new();
    private readonly HashSet<string> _logged = [];
    private long _count;

    /// <summary>How many were met.</summary>
    public long Count => Volatile.Read(ref _count);

    /// <summary>Reads the row that a reader is at, or a part of it.</summary>
    /// <param name="row">The reader.</param>
    /// <param name="read">Reads.</param>
    /// <param name="value">What was read.</param>
    /// <param name="key">The column that tells an operator which row it is.</param>
    /// <returns>Whether it could be read.</returns>
    public bool TryRead<TRow, T>(TRow row, Func<TRow, T> read, out T value, int key = 0)
        where TRow : DbDataReader
    {
        try
        {
            value = read(row);
            return true;
        }
        catch (Exception e) when (IsOfTheRow(e))
        {
            Interlocked.Increment(ref _count);
            var name = KeyOf(row.GetValue(key));
            if (IsNew($"{name} {e.Message}"))
            {
                LogUnreadable(logger, name, e.Message);
            }

            value = default!;
            return false;
        }
    }

    // What parsing a value throws, and a driver for a value of another type, or for none.
    private static bool IsOfTheRow(Exception e) =>
        e is FormatException or JsonException or InvalidCastException or InvalidOperationException or OverflowException or ArgumentException or NotSupportedException;

    private static string KeyOf(object value)
    {
        var text = Convert.ToString(value, System.Globalization.CultureInfo.InvariantCulture) ?? "";
        var key = new StringBuilder();
        foreach (var c in text.Length > LongestKey ? text[..LongestKey] : text)
        {
            key.Append(c is >= ' ' and <= '~' ? c : '?');
        }

        return key.ToString();
    }

    private bool IsNew(string row)
    {
        lock (_lock)
        {
            if (_logged.Count >= MaxRemembered)
            {
                _logged.Clear();
            }

            return _logged.Add(row);
        }
    }

    [LoggerMessage(
        EventId = EventIds.UnreadableRowsUnreadable,
        Level = LogLevel.Error,
        Message = "A row of the database cannot be read and is skipped ({Key}): {Reason}. Another program has written it, or a rule that it breaks was dropped; delete the row.")]
    private static partial void LogUnreadable(ILogger logger, string key, string reason);
}
