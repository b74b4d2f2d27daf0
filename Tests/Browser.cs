using System.Reflection;
using Microsoft.Playwright;
using Plane.Testing;

namespace Plane.Tests;

/// <summary>
/// This machine's Chromium, headless, one for the whole run; a test opens contexts in it, which share nothing. The driver comes
/// with the package, so nothing is downloaded.
/// </summary>
public static class Browser
{
    // The headless shell first: without windows to compose, it takes a fraction of the processor time.
    private static readonly string[] Binaries = ["/usr/bin/chromium-headless-shell", "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
    private static readonly Lazy<Task<IPlaywright>> Driver = new(StartDriverAsync);
    private static readonly Lazy<Task<IBrowser>> Shared = new(() => LaunchAsync());

    /// <summary>Where pages' pictures go when a person wants to look at them: <c>PLANE_TEST_SCREENSHOTS</c>.</summary>
    public static string? Screenshots { get; } = Environment.GetEnvironmentVariable("PLANE_TEST_SCREENSHOTS") is { Length: > 0 } directory ? directory : null;

    /// <summary>A fresh context, as another person's browser would be.</summary>
    public static async Task<IBrowserContext> NewContextAsync(BrowserNewContextOptions? options = null)
    {
        var context = await (await Shared.Value).NewContextAsync(options);
        context.SetDefaultTimeout((float)Eventually.DefaultDeadline.TotalMilliseconds);
        return context;
    }

    /// <summary>Waits until a page is at an address. Playwright's own wait can hang where the page is there already and the wait is for no more than that.</summary>
    public static Task IsAtAsync(this IPage page, string address) => Eventually.TrueAsync(() => page.Url == address, $"the page is at {address}");

    /// <summary>A Chromium of a test's own, for flags of the whole process.</summary>
    public static async Task<IBrowser> LaunchAsync(params string[] flags) => await (await Driver.Value).Chromium.LaunchAsync(new BrowserTypeLaunchOptions
    {
        ExecutablePath = Binaries.FirstOrDefault(File.Exists)
            ?? throw new InvalidOperationException($"No Chromium was found ({string.Join(", ", Binaries)}): install it, or run the tests by ./plane test, which does."),
        Headless = true,
        Args = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run", "--disable-dev-shm-usage", .. flags],
    });

    private static async Task<IPlaywright> StartDriverAsync()
    {
        var driver = typeof(Browser).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().First(a => a.Key == "Playwright").Value;
        Environment.SetEnvironmentVariable("PLAYWRIGHT_DRIVER_SEARCH_PATH", driver);
        var playwright = await Playwright.CreateAsync();
        AppDomain.CurrentDomain.ProcessExit += (_, _) => playwright.Dispose();
        return playwright;
    }
}
