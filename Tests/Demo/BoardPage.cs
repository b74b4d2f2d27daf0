using System.Text.Json;
using Microsoft.Playwright;
using Plane.Testing;

namespace Plane.Tests.Demo;

/// <summary>The demo's page in one person's browser, whatever it is reached through.</summary>
public sealed class BoardPage : IAsyncDisposable
{
    private readonly IBrowserContext _context;
    private readonly List<string> _complaints = [];

    private BoardPage(IBrowserContext context, IPage page)
    {
        _context = context;
        Page = page;
        page.PageError += (_, error) => _complaints.Add(error);
        page.Console += (_, message) =>
        {
            if (message.Type == "error")
            {
                _complaints.Add($"{message.Text} ({message.Location})");
            }
        };
    }

    /// <summary>The page itself.</summary>
    public IPage Page { get; }

    /// <summary>Scripts' errors and refused resources.</summary>
    public IReadOnlyList<string> Complaints => _complaints;

    /// <summary>Opens <paramref name="url"/> as a person of their own, and waits until the board is live.</summary>
    public static async Task<BoardPage> OpenAsync(string url, string? name = null, BrowserNewContextOptions? options = null)
    {
        var board = await NewAsync(name, options);
        await board.Page.GotoAsync(url);
        await board.StateAsync("live");
        return board;
    }

    /// <summary>A person's own browser, which is nowhere yet.</summary>
    public static async Task<BoardPage> NewAsync(string? name = null, BrowserNewContextOptions? options = null)
    {
        var context = await Browser.NewContextAsync(options);
        if (name is not null)
        {
            await context.AddInitScriptAsync($"try {{ localStorage.setItem('board-name', {JsonSerializer.Serialize(name)}) }} catch {{ }}");
        }

        return new BoardPage(context, await context.NewPageAsync());
    }

    /// <summary>Waits for the connection's state: <c>connecting</c>, <c>live</c>, <c>waiting</c> or <c>ended</c>.</summary>
    public Task StateAsync(string state) => Eventually.SeenAsync(
        async _ => await Page.GetAttributeAsync("body", "data-state"), seen => seen == state, $"the page's connection is {state}");

    /// <summary>Draws a line; coordinates are shares of the sheet, from 0 to 1.</summary>
    public async Task DrawAsync(params (double X, double Y)[] points)
    {
        var box = (await Page.Locator("#canvas").BoundingBoxAsync())!;
        var down = false;
        foreach (var (x, y) in points)
        {
            await Page.Mouse.MoveAsync((float)(box.X + (x * box.Width)), (float)(box.Y + (y * box.Height)), new MouseMoveOptions { Steps = down ? 3 : 1 });
            if (!down)
            {
                await Page.Mouse.DownAsync();
                down = true;
            }
        }

        await Page.Mouse.UpAsync();
    }

    /// <summary>Chooses a pen by its name (<c>Ink</c>, <c>Red</c>, …, <c>Eraser</c>).</summary>
    public Task PenAsync(string name) => Page.GetByRole(AriaRole.Radio, new PageGetByRoleOptions { Name = name, Exact = true }).ClickAsync();

    /// <summary>Whether the screen shows ink (any pen's) at this place of the sheet. Judged by pixels, not by what the page believes.</summary>
    public Task<bool> HasInkAsync(double x, double y) => Page.EvaluateAsync<bool>(
        """
        ([x, y]) => {
            const canvas = document.getElementById('canvas');
            const at = canvas.getContext('2d').getImageData(Math.round(x * canvas.width) - 2, Math.round(y * canvas.height) - 2, 5, 5).data;
            return at.some((value, i) => i % 4 === 3 && value > 128);
        }
        """,
        new[] { x, y });

    /// <summary>Waits until there is, or is no, ink at this place.</summary>
    public Task InkAsync(double x, double y, bool expected = true) => Eventually.SeenAsync(
        _ => HasInkAsync(x, y), seen => seen == expected, $"{(expected ? "ink" : "no ink")} at {x}, {y}");

    /// <summary>What of the page lies over something else, beyond the window, or is wider than its own box; empty where nothing does.</summary>
    public Task<string> OverlapsAsync() => Page.EvaluateAsync<string>(
        """
        () => {
            const shown = [...document.querySelectorAll('.top > *, .sheet, .tools button, .tools .rule, .side > .card')].filter(e => e.offsetParent && e.getBoundingClientRect().width > 0);
            const name = e => e.id || e.getAttribute('aria-label') || e.className;
            const found = shown.filter(e => e.getBoundingClientRect().right > innerWidth + .5).map(e => `${name(e)} beyond the window`);
            shown.filter(e => e.matches('button') && e.scrollWidth > e.clientWidth).forEach(e => found.push(`${name(e)} beyond its button`));
            shown.forEach((a, i) => shown.slice(i + 1).forEach(b => {
                const [x, y] = [a.getBoundingClientRect(), b.getBoundingClientRect()];
                if (x.left < y.right - .5 && y.left < x.right - .5 && x.top < y.bottom - .5 && y.top < x.bottom - .5) found.push(`${name(a)} and ${name(b)}`);
            }));
            return found.join(', ');
        }
        """);

    /// <summary>The names in the list of who is here.</summary>
    public async Task<IReadOnlyList<string>> PeopleAsync() => await Page.Locator("#people .who").AllTextContentsAsync();

    /// <summary>Waits until exactly these are here, in whatever order.</summary>
    public Task PeopleAsync(params string[] names) => Eventually.SeenAsync(
        _ => PeopleAsync(), seen => seen.Order().SequenceEqual(names.Order()), $"here are {string.Join(", ", names)}");

    /// <summary>What the page shows of its backend: name, key, fencing token.</summary>
    public async Task<(string Backend, string Key, string FencingToken)> SessionAsync() =>
        (await TextAsync("backend"), await TextAsync("key"), await TextAsync("token"));

    /// <summary>Saves a picture, if someone wants to look (<see cref="Browser.Screenshots"/>).</summary>
    public async Task LookAsync(string name)
    {
        if (Browser.Screenshots is { } directory)
        {
            await Page.ScreenshotAsync(new PageScreenshotOptions { Path = Path.Combine(directory, $"{name}.png"), Animations = ScreenshotAnimations.Disabled });
        }
    }

    public async ValueTask DisposeAsync() => await _context.CloseAsync();

    private async Task<string> TextAsync(string id) => await Page.Locator($"#{id}").InnerTextAsync();
}
