using System.Security.Cryptography;
using System.Text;

namespace Plane.Storage;

/// <summary>
/// The functions of an engine's schema, a file each, with their triggers. They are replaced as a whole when a program starts whose functions differ, unless the schema belongs to
/// a newer program.
/// </summary>
/// <param name="Hash">Of the text.</param>
/// <param name="Sql">The statements.</param>
internal sealed record SchemaFunctions(string Hash, string Sql)
{
    /// <summary>The functions of an engine.</summary>
    /// <param name="engine">The engine's folder.</param>
    public static SchemaFunctions Of(string engine)
    {
        var sql = string.Join('\n', SchemaFiles.In($"{engine}/Functions/").Select(f => f.Sql));
        return new SchemaFunctions(Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(sql))), sql);
    }
}
