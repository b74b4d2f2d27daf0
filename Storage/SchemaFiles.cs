using System.Reflection;

namespace Plane.Storage;

/// <summary>Files of SQL in this assembly.</summary>
internal static class SchemaFiles
{
    /// <summary>The files of a folder, by name.</summary>
    public static IReadOnlyList<(string Name, string Sql)> In(string folder) =>
    [
        .. from resource in typeof(SchemaFiles).Assembly.GetManifestResourceNames()
           where resource.StartsWith(folder, StringComparison.Ordinal)
           orderby resource
           select (resource[folder.Length..], Read(typeof(SchemaFiles).Assembly, resource)),
    ];

    private static string Read(Assembly assembly, string name)
    {
        using var reader = new StreamReader(assembly.GetManifestResourceStream(name)!);
        return reader.ReadToEnd();
    }
}
