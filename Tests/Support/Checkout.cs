using System.Reflection;

namespace Plane.Testing;

/// <summary>Where this build's programs and files are. Tests start the programs as processes, from their own output folders.</summary>
public static class Checkout
{
    private static readonly Dictionary<string, string?> Metadata = typeof(Checkout).Assembly
        .GetCustomAttributes<AssemblyMetadataAttribute>()
        .Where(a => a.Key.StartsWith("Checkout.", StringComparison.Ordinal))
        .ToDictionary(a => a.Key, a => a.Value);

    /// <summary>The root of the repository.</summary>
    public static string Root { get; } = Value("Checkout.Root");

    /// <summary>The <c>dotnet</c> that runs these tests.</summary>
    public static string Dotnet { get; } = Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") is { Length: > 0 } host
        ? host
        : Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet" ? Environment.ProcessPath! : "dotnet";

    /// <summary><c>plane.dll</c>.</summary>
    public static string Cli => Program("Cli", "plane.dll");

    /// <summary>The demo's <c>board.dll</c>.</summary>
    public static string Board => Program("demo/Board", "board.dll");

    /// <summary>The two samples of <c>demo/Samples</c>.</summary>
    public static string Samples => Program("demo/Samples", "samples.dll");

    /// <summary>The test backend's <c>testbackend.dll</c> (<c>tools/TestBackend</c>).</summary>
    public static string Backend => Program("tools/TestBackend", "testbackend.dll");

    /// <summary>The applications of ASP.NET Core, <c>testapplications.dll</c> (<c>Tests/Applications/Web</c>).</summary>
    public static string Applications => Program("Tests/Applications/Web", "testapplications.dll");

    /// <summary>The chaos run, <c>plane-chaos.dll</c> (<c>tools/Chaos</c>).</summary>
    public static string Chaos => Program("tools/Chaos", "plane-chaos.dll");

    /// <summary>
    /// Names this run of the tests in processes' environments, labels and tags, so that <c>./plane test</c> can remove what a crashed
    /// run left, and nothing of another run.
    /// </summary>
    public static string Run { get; } = Environment.GetEnvironmentVariable("PLANE_TEST_RUN") is { Length: > 0 } run
        ? run
        : $"r{Guid.NewGuid():N}"[..13];

    /// <summary>A file of the repository.</summary>
    public static string File(string path) => Path.Combine(Root, path);

    private static string Program(string project, string file)
    {
        var path = Path.Combine(Root, project, Value("Checkout.Output"), file);
        return System.IO.File.Exists(path) ? path : throw new FileNotFoundException($"{path} was not built", path);
    }

    private static string Value(string key) => Metadata.GetValueOrDefault(key) is { Length: > 0 } value
        ? value
        : throw new InvalidOperationException($"The assembly carries no {key}; see Testing.csproj.");
}
