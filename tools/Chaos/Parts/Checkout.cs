using System.Reflection;

namespace Plane.Chaos.Parts;

/// <summary>Where this build's programs are.</summary>
internal static class Checkout
{
    private static readonly Dictionary<string, string?> Metadata = typeof(Checkout).Assembly
        .GetCustomAttributes<AssemblyMetadataAttribute>()
        .Where(a => a.Key.StartsWith("Checkout.", StringComparison.Ordinal))
        .ToDictionary(a => a.Key, a => a.Value);

    public static string Dotnet { get; } =
        Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") is { Length: > 0 } host ? host
        : Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet" ? Environment.ProcessPath! : "dotnet";

    public static string Plane => Program("Cli", "plane.dll");

    /// <summary>The program of another checkout.</summary>
    public static string PlaneOf(string checkout)
    {
        var path = Path.GetFullPath(Path.Combine(checkout, "Cli", Value("Checkout.Output"), "plane.dll"));
        return System.IO.File.Exists(path) ? path : throw new FileNotFoundException($"{path} was not built: run ./plane --version there", path);
    }

    public static string Judge => Program("tools/Judge", "judge.dll");

    public static string Chaos => Program("tools/Chaos", "plane-chaos.dll");

    public static string File(string path) => Path.Combine(Value("Checkout.Root"), path);

    private static string Program(string project, string file)
    {
        var path = Path.Combine(Value("Checkout.Root"), project, Value("Checkout.Output"), file);
        return System.IO.File.Exists(path) ? path : throw new FileNotFoundException($"{path} was not built", path);
    }

    private static string Value(string key) => Metadata.GetValueOrDefault(key) ?? throw new InvalidOperationException($"the assembly carries no {key}");
}
