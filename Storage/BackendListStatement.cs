using System.Globalization;
using System.Text;

namespace Plane.Storage;

/// <summary>The statement of a page of backends, newest first, as both databases write it.</summary>
/// <param name="columns">What is selected, and from where.</param>
/// <param name="isLive">The condition that a backend has not ended, in the words of the index of the live ones.</param>
/// <param name="statusType">What makes a text a status.</param>
/// <param name="moment">A cursor's moment as the database compares it.</param>
internal sealed class BackendListStatement(string columns, string isLive, string statusType, Func<long, object> moment)
{
    /// <summary>The statement and its values. It asks for one row more than the page has: the sign that another page follows.</summary>
    public (string Sql, object[] Values) Of(BackendQuery query, int limit)
    {
        var sql = new StringBuilder($"{columns} where true");
        var values = new List<object>();
        string Value(object value)
        {
            values.Add(value);
            return string.Create(CultureInfo.InvariantCulture, $"${values.Count}");
        }

        void Where(string column, string? value)
        {
            if (value is not null)
            {
                sql.Append(CultureInfo.InvariantCulture, $" and {column} = {Value(value)}");
            }
        }

        Where("cluster", query.Cluster?.Value);
        Where("drone", query.Drone?.Value);
        Where("key_name", query.KeyName);
        Where("service", query.Service?.Value);
        if (query.Status is { } status)
        {
            sql.Append(CultureInfo.InvariantCulture, $" and status = {Value(status.Name())}{statusType}");
        }

        // Said of a live status too, so that the index of the live ones serves, and not all of the past is read.
        if (query.Live || query.Status < BackendStatus.Terminated)
        {
            sql.Append(CultureInfo.InvariantCulture, $" and {isLive}");
        }

        if (StoreText.ReadCursor(query.Cursor) is var (created, backend))
        {
            sql.Append(CultureInfo.InvariantCulture, $" and (created_at, id) < ({Value(moment(created))}, {Value(backend)})");
        }

        sql.Append(CultureInfo.InvariantCulture, $" order by created_at desc, id desc limit {Value(limit + 1)}");
        return (sql.ToString(), [.. values]);
    }
}
