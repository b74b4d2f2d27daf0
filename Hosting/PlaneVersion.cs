using System.Reflection;

namespace Plane.Hosting;

/// <summary>Which build this is: the version, and the source revision it was built from.</summary>
/// <param name="Version">As <c>0.1.0</c>.</param>
/// <param name="Hash">The revision; <c>unknown</c> for a build outside a repository.</param>
public sealed record PlaneVersion(string Version, string Hash)
{
    /// <summary>This build.</summary>
    public static PlaneVersion Current { get; } = Parse(
        typeof(PlaneVersion).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "0.0.0");

    /// <summary>Splits an informational version, as <c>0.1.0+3f2a…</c>.</summary>
    /// <param name="informational">The attribute's text.</param>
    public static PlaneVersion Parse(string informational)
    {
        ArgumentNullException.ThrowIfNull(informational);
        var plus = informational.IndexOf('+', StringComparison.Ordinal);
        return plus < 0 || plus == informational.Length - 1
            ? new PlaneVersion(informational.TrimEnd('+'), "unknown")
            : new PlaneVersion(informational[..plus], informational[(plus + 1)..]);
    }

    /// <summary>Version and revision in one text.</summary>
    public override string ToString() => $"{Version}+{Hash}";
}
