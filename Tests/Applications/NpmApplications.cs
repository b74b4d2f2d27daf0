using System.Security.Cryptography;
using Plane.Testing;

namespace Plane.Tests.Applications;

/// <summary>
/// Applications made of npm packages: a folder of this one with a lock file, copied to <c>.build/applications</c> and installed there once. What changes in the folder makes another installation.
/// </summary>
internal static class NpmApplications
{
    private const string Installed = "installed";

    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(5);
    private static readonly Lazy<Task<string>> s_small = new(() => InstallAsync("npm"));
    private static readonly Lazy<Task<string>> s_next = new(() => InstallAsync("next", "build"));

    /// <summary>The folder of the applications that <c>./plane test</c> always runs.</summary>
    public static Task<string> SmallAsync() => s_small.Value;

    /// <summary>The folder of the Next.js application, built for production.</summary>
    public static Task<string> NextAsync() => s_next.Value;

    private static async Task<string> InstallAsync(string name, string? script = null)
    {
        var source = Checkout.File($"Tests/Applications/{name}");
        var all = Directory.CreateDirectory(Checkout.File(".build/applications")).FullName;
        var folder = Path.Combine(all, $"{name}-{HashOf(source)}");

        // Another run of the tests may be installing the same.
        await using var only = await Eventually.SeenAsync(
            _ => Task.FromResult(new FileStream(Path.Combine(all, $"{name}.lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None)),
            _ => true,
            $"no other run installs {name}",
            s_patience);
        if (File.Exists(Path.Combine(folder, Installed)))
        {
            return folder;
        }

        foreach (var old in Directory.GetDirectories(all, $"{name}-*"))
        {
            Directory.Delete(old, recursive: true);
        }

        Copy(source, folder);
        await NpmAsync(folder, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline");
        if (script is not null)
        {
            await NpmAsync(folder, "run", script);
        }

        await File.WriteAllTextAsync(Path.Combine(folder, Installed), "");
        return folder;
    }

    /// <summary>Copies a folder with all that is in it.</summary>
    public static void Copy(string from, string to)
    {
        foreach (var file in Directory.EnumerateFiles(from, "*", SearchOption.AllDirectories))
        {
            var copy = Path.Combine(to, Path.GetRelativePath(from, file));
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(file, copy, overwrite: true);
        }
    }

    private static async Task NpmAsync(string folder, params string[] arguments)
    {
        var (code, lines) = await RunningProgram.RunAsync(
            "npm", arguments, workingDirectory: folder, environment: new Dictionary<string, string?> { ["NEXT_TELEMETRY_DISABLED"] = "1" }, deadline: s_patience);
        Assert.True(code == 0, $"npm {string.Join(' ', arguments)} in {folder} exited with {code}:\n{string.Join('\n', lines)}");
    }

    private static string HashOf(string folder)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var file in Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
        {
            hash.AppendData(System.Text.Encoding.UTF8.GetBytes(Path.GetRelativePath(folder, file)));
            hash.AppendData(File.ReadAllBytes(file));
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset())[..16];
    }
}
