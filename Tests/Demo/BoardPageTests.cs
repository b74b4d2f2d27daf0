using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Playwright;
using Plane.Testing;
using Xunit.Abstractions;

namespace Plane.Tests.Demo;

/// <summary>The board in real browsers.</summary>
public sealed class BoardPageTests(ITestOutputHelper output)
{
    private static readonly BrowserNewContextOptions Desktop = new() { ViewportSize = new ViewportSize { Width = 1280, Height = 800 }, ColorScheme = ColorScheme.Light };
    private static readonly BrowserNewContextOptions Night = new() { ViewportSize = new ViewportSize { Width = 1440, Height = 900 }, ColorScheme = ColorScheme.Dark };
    private static readonly BrowserNewContextOptions Phone = new()
    {
        ViewportSize = new ViewportSize { Width = 390, Height = 844 },
        DeviceScaleFactor = 2,
        HasTouch = true,
        IsMobile = true,
        ColorScheme = ColorScheme.Light,
    };

    [Fact]
    public async Task Two_browsers_see_each_others_strokes_and_names()
    {
        await using var board = await RunningBoard.StartAsync(output);
        await using var ada = await BoardPage.OpenAsync(board.Url, "Ada Lovelace", Desktop);
        await using var grace = await BoardPage.OpenAsync(board.Url, "Grace Hopper", Night);
        await ada.PeopleAsync("Ada Lovelace", "Grace Hopper");
        await grace.PeopleAsync("Ada Lovelace", "Grace Hopper");

        await ada.PenAsync("Blue");
        await ada.DrawAsync((.2, .3), (.5, .2), (.8, .3));
        await grace.InkAsync(.35, .25);
        await grace.PenAsync("Orange");
        await grace.DrawAsync((.2, .7), (.5, .7), (.8, .6));
        await ada.InkAsync(.35, .7);

        Assert.Equal(("k3v9x0q2m7ab4d", "design-review", "1763824401223"), await ada.SessionAsync());
        Assert.Equal("Board / design-review", await ada.Page.TitleAsync());
        await ada.LookAsync("two-light");
        await grace.LookAsync("two-dark");
        Assert.Empty(ada.Complaints);
        Assert.Empty(grace.Complaints);
    }

    [Theory]
    [InlineData(390)]
    [InlineData(900)]
    [InlineData(1400)]
    public async Task Nothing_lies_over_anything_else_whatever_the_windows_width(int width)
    {
        await using var board = await RunningBoard.StartAsync(output);
        await using var ada = await BoardPage.OpenAsync(board.Url, "Ada Lovelace", new BrowserNewContextOptions { ViewportSize = new ViewportSize { Width = width, Height = 800 } });

        await ada.LookAsync($"width-{width}");
        Assert.Equal("", await ada.OverlapsAsync());

        // The button is wider while it asks once more.
        await ada.Page.ClickAsync("#clear");
        await ada.LookAsync($"width-{width}-sure");
        Assert.Equal("", await ada.OverlapsAsync());
    }

    [Fact]
    public async Task Someone_who_comes_late_sees_what_was_drawn()
    {
        await using var board = await RunningBoard.StartAsync(output);
        await using (var first = await BoardPage.OpenAsync(board.Url, "First", Desktop))
        {
            await first.DrawAsync((.3, .3), (.6, .3));
            await first.DrawAsync((.3, .5), (.6, .5));
            await first.InkAsync(.5, .5);
        }

        await using var late = await BoardPage.OpenAsync(board.Url, "Late", Phone);
        await late.InkAsync(.5, .3);
        await late.InkAsync(.5, .5);
        await late.PeopleAsync("Late");
        await late.LookAsync("phone");
    }

    [Fact]
    public async Task Undo_takes_back_ones_own_stroke_and_clear_everybodys()
    {
        await using var board = await RunningBoard.StartAsync(output);
        await using var ada = await BoardPage.OpenAsync(board.Url, "Ada", Desktop);
        await using var bob = await BoardPage.OpenAsync(board.Url, "Bob", Desktop);
        await ada.DrawAsync((.2, .2), (.4, .2));
        await bob.InkAsync(.3, .2);
        await bob.DrawAsync((.2, .6), (.4, .6));
        await ada.InkAsync(.3, .6);

        await ada.Page.Keyboard.PressAsync("Control+z");
        await bob.InkAsync(.3, .2, expected: false);
        await ada.InkAsync(.3, .2, expected: false);
        Assert.True(await ada.HasInkAsync(.3, .6));

        await ada.Page.Locator("#clear").ClickAsync();
        await ada.LookAsync("sure");
        await ada.Page.Locator("#clear").ClickAsync();
        await bob.InkAsync(.3, .6, expected: false);
        await ada.InkAsync(.3, .6, expected: false);
    }

    [Fact]
    public async Task The_eraser_erases_on_every_screen()
    {
        await using var board = await RunningBoard.StartAsync(output);
        await using var ada = await BoardPage.OpenAsync(board.Url, "Ada", Desktop);
        await using var bob = await BoardPage.OpenAsync(board.Url, "Bob", Desktop);
        await ada.DrawAsync((.2, .4), (.8, .4));
        await bob.InkAsync(.5, .4);

        await bob.PenAsync("Eraser");
        await bob.DrawAsync((.5, .3), (.5, .5));

        await ada.InkAsync(.5, .4, expected: false);
        await ada.InkAsync(.3, .4);
    }

    [Fact]
    public async Task One_can_draw_by_keyboard()
    {
        await using var board = await RunningBoard.StartAsync(output);
        await using var ada = await BoardPage.OpenAsync(board.Url, "Ada", Desktop);
        await using var bob = await BoardPage.OpenAsync(board.Url, "Bob", Desktop);

        await ada.Page.FocusAsync("#canvas");
        await ada.Page.Keyboard.PressAsync("Space");
        for (var i = 0; i < 4; i++)
        {
            await ada.Page.Keyboard.PressAsync("Shift+ArrowRight");
        }

        await ada.LookAsync("keyboard");
        await ada.Page.Keyboard.PressAsync("Space");
        await bob.InkAsync(.58, .5);
    }

    [Fact]
    public async Task A_finger_draws()
    {
        await using var board = await RunningBoard.StartAsync(output);
        await using var phone = await BoardPage.OpenAsync(board.Url, "Phone", Phone);
        await using var desk = await BoardPage.OpenAsync(board.Url, "Desk", Desktop);
        var box = (await phone.Page.Locator("#canvas").BoundingBoxAsync())!;

        await phone.Page.Touchscreen.TapAsync(box.X + (box.Width / 2), box.Y + (box.Height / 2));

        await desk.InkAsync(.5, .5);
    }

    [Fact]
    public async Task A_name_can_be_changed_and_is_seen_by_others()
    {
        await using var board = await RunningBoard.StartAsync(output);
        await using var ada = await BoardPage.OpenAsync(board.Url, "Ada", Desktop);
        await using var bob = await BoardPage.OpenAsync(board.Url, "Bob", Desktop);

        await ada.Page.FillAsync("#name", "<b>Countess</b>");
        await ada.Page.Keyboard.PressAsync("Enter");

        await bob.PeopleAsync("<b>Countess</b>", "Bob");
    }

    [Fact]
    public async Task The_page_comes_back_by_itself_when_the_connection_does()
    {
        var port = FreePort.Next();
        await using var page = await FirstBoardAsync(port);

        await page.StateAsync("waiting");
        await page.LookAsync("lost");
        await using var again = await RunningBoard.StartAsync(output, port, new() { ["SESSION_BACKEND_ID"] = "another" });
        await page.StateAsync("live");
        Assert.Equal("another", (await page.SessionAsync()).Backend);

        async Task<BoardPage> FirstBoardAsync(int at)
        {
            await using var board = await RunningBoard.StartAsync(output, at);
            var opened = await BoardPage.OpenAsync(board.Url, "Ada", Desktop);
            Assert.Equal(0, await board.Program.StopAsync());
            return opened;
        }
    }

    [Fact]
    public async Task A_connection_that_nobody_answers_is_given_up_for_another()
    {
        await using var board = await RunningBoard.StartAsync(output);
        await using var page = await BoardPage.NewAsync("Ada", Desktop);
        await page.Page.Clock.InstallAsync();
        var connections = 0;
        // The first is open, and silent forever.
        await page.Page.RouteWebSocketAsync("**/ws", socket =>
        {
            if (Interlocked.Increment(ref connections) > 1)
            {
                socket.ConnectToServer();
            }
        });

        await page.Page.GotoAsync(board.Url);
        await page.StateAsync("connecting");
        await page.Page.Clock.FastForwardAsync(10_000);
        Assert.Equal("connecting", await page.Page.GetAttributeAsync("body", "data-state"));
        await page.Page.Clock.FastForwardAsync(6_000);

        await page.StateAsync("live");
        Assert.Equal(2, connections);
    }

    [Fact]
    public async Task The_page_says_so_when_the_session_is_over()
    {
        var port = FreePort.Next();
        BoardPage page;
        await using (var board = await RunningBoard.StartAsync(output, port))
        {
            page = await BoardPage.OpenAsync(board.Url, "Ada", Desktop);
            await page.DrawAsync((.2, .4), (.4, .6), (.7, .3));
        }

        await using var _ = page;
        // What the proxy answers for a backend that has ended.
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, port));
        await using var gone = builder.Build();
        gone.Run(context =>
        {
            context.Response.StatusCode = StatusCodes.Status410Gone;
            return Task.CompletedTask;
        });
        await gone.StartAsync();

        await page.StateAsync("ended");
        await page.LookAsync("ended");
        Assert.True(await page.Page.GetByRole(AriaRole.Alertdialog, new() { Name = "Session ended" }).IsVisibleAsync());
    }
}
