using System.Net.Sockets;
using System.Net.WebSockets;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Plane.Demo.Board;

namespace Plane.Tests.Demo;

/// <summary>What the board takes, what it refuses, and that its memory has a bound.</summary>
public sealed class BoardProtocolTests
{
    private static readonly BoardOptions Options = new() { Port = 0, Backend = "b", Key = "k", FencingToken = "9007199254740993" };

    [Fact]
    public async Task A_newcomer_hears_of_the_session_of_the_people_and_of_every_stroke()
    {
        await using var board = await HostedBoard.StartAsync(Options);
        using var first = await BoardClient.ConnectAsync(board.Port, "First");
        await first.SayAsync("""{"t":"start","id":1,"c":2,"w":80,"x":10,"y":20}""");
        await first.SayAsync("""{"t":"points","id":1,"p":[30,40,50,60]}""");
        await first.SayAsync("""{"t":"end","id":1}""");

        using var second = await BoardClient.ConnectAsync(board.Port);
        await second.SayAsync("""{"t":"hello","name":"Second"}""");
        var welcome = await second.HearAsync("welcome");
        var history = await second.HearAsync("strokes");

        Assert.Equal(("b", "k", "9007199254740993"), (welcome["backend"]!.GetValue<string>(), welcome["key"]!.GetValue<string>(), welcome["token"]!.GetValue<string>()));
        Assert.Equal(["First", "Second"], welcome["peers"]!.AsArray().Select(p => p!["name"]!.GetValue<string>()).Order());
        Assert.Equal("[10,20,30,40,50,60]", history["s"]![0]!["p"]!.ToJsonString());
        Assert.False(history["s"]![0]!["open"]!.GetValue<bool>());
        Assert.Equal("Second", (await first.HearAsync("peer"))["peer"]!["name"]!.GetValue<string>());
    }

    [Fact]
    public async Task A_stroke_reaches_others_as_it_is_drawn_and_its_author_not_again()
    {
        await using var board = await HostedBoard.StartAsync(Options);
        using var author = await BoardClient.ConnectAsync(board.Port, "Author");
        using var other = await BoardClient.ConnectAsync(board.Port, "Other");

        await author.SayAsync("""{"t":"start","id":7,"c":0,"w":35,"x":0,"y":0}""");
        Assert.Equal(7, (await other.HearAsync("start"))["id"]!.GetValue<int>());
        await author.SayAsync("""{"t":"points","id":7,"p":[15000,10000]}""");
        Assert.Equal("[15000,10000]", (await other.HearAsync("points"))["p"]!.ToJsonString());
        await author.SayAsync("""{"t":"undo"}""");

        Assert.Equal("peer", (await author.HearAsync())!["t"]!.GetValue<string>());
        Assert.Equal($"[[{author.Id},7]]", (await author.HearAsync())!["s"]!.ToJsonString());
    }

    [Fact]
    public async Task Cursors_of_all_who_moved_travel_together()
    {
        await using var board = await HostedBoard.StartAsync(Options);
        using var ada = await BoardClient.ConnectAsync(board.Port, "Ada");
        using var bob = await BoardClient.ConnectAsync(board.Port, "Bob");

        await ada.SayAsync("""{"t":"cursor","x":1,"y":2}""");
        Assert.Equal($"[[{ada.Id},1,2]]", (await bob.HearAsync("cursors"))["c"]!.ToJsonString());
        await ada.SayAsync("""{"t":"away"}""");
        Assert.Equal($"[[{ada.Id}]]", (await bob.HearAsync("cursors"))["c"]!.ToJsonString());
    }

    [Fact]
    public async Task The_name_that_the_proxy_vouches_for_wins_and_stays()
    {
        await using var board = await HostedBoard.StartAsync(Options);
        using var watcher = await BoardClient.ConnectAsync(board.Port, "Watcher");
        using var verified = await BoardClient.ConnectAsync(board.Port, "Mallory", verified: "UTF-8''Zo%C3%AB");
        var peer = (await watcher.HearAsync("peer"))["peer"]!;
        Assert.Equal(("Zoë", true), (peer["name"]!.GetValue<string>(), peer["verified"]!.GetValue<bool>()));

        await verified.SayAsync("""{"t":"name","name":"Mallory"}""");
        await verified.SayAsync("""{"t":"clear"}""");
        Assert.Equal("clear", (await watcher.HearAsync())!["t"]!.GetValue<string>());
    }

    [Theory]
    [InlineData("  Ada  ", "Ada")]
    [InlineData("", "Guest")]
    [InlineData("\u0000\u0007\r\n", "Guest")]
    [InlineData("a\u202Eb", "ab")]
    [InlineData("abcdefghijklmnopqrstuvwxyzabcdefghijkl", "abcdefghijklmnopqrstuvwxyzabcdef")]
    public void A_name_is_short_and_plain(string given, string shown) => Assert.Equal(shown, PersonName.Clean(given));

    [Theory]
    [InlineData("", "not JSON")]
    [InlineData("{", "not JSON")]
    [InlineData("[]", "a message is a JSON object")]
    [InlineData("[[[[[[[[1]]]]]]]]", "not JSON")]
    [InlineData("{}", "t: missing")]
    [InlineData("""{"t":7}""", "t: not a string")]
    [InlineData("""{"t":"\uD800"}""", "not text")]
    [InlineData("""{"t":"drop tables"}""", "t: no such message")]
    [InlineData("""{"t":"hello","name":"again"}""", "t: hello is said once")]
    [InlineData("""{"t":"cursor","x":-1,"y":0}""", "x: not a whole number from 0 to 15000")]
    [InlineData("""{"t":"cursor","x":0,"y":10001}""", "y: not a whole number from 0 to 10000")]
    [InlineData("""{"t":"cursor","x":1.5,"y":0}""", "x: not a whole number from 0 to 15000")]
    [InlineData("""{"t":"cursor","x":1e99,"y":0}""", "x: not a whole number from 0 to 15000")]
    [InlineData("""{"t":"start","id":0,"c":0,"w":1,"x":0,"y":0}""", "id: not a whole number from 1 to 2147483647")]
    [InlineData("""{"t":"start","id":1,"c":9,"w":1,"x":0,"y":0}""", "c: not a whole number from 0 to 8")]
    [InlineData("""{"t":"start","id":1,"c":0,"w":1001,"x":0,"y":0}""", "w: not a whole number from 1 to 1000")]
    [InlineData("""{"t":"points","id":1,"p":[]}""", "p: not a list of 1 to 250 points")]
    [InlineData("""{"t":"points","id":1,"p":[1]}""", "p: not a list of 1 to 250 points")]
    [InlineData("""{"t":"points","id":1,"p":[1,"2"]}""", "p: not a whole number from 0 to 10000")]
    [InlineData("""{"t":"points","id":1,"p":{"0":1}}""", "p: not a list of 1 to 250 points")]
    public async Task What_no_page_says_ends_the_connection_with_the_reason(string message, string reason)
    {
        await using var board = await HostedBoard.StartAsync(Options);
        using var client = await BoardClient.ConnectAsync(board.Port, "Mallory");

        await client.SayAsync(message);

        Assert.Equal((WebSocketCloseStatus.PolicyViolation, reason), await client.ClosedAsync());
    }

    [Fact]
    public async Task A_message_that_is_too_big_is_not_read_to_its_end()
    {
        await using var board = await HostedBoard.StartAsync(Options);
        using var client = await BoardClient.ConnectAsync(board.Port, "Mallory");

        await client.SayAsync(new string(' ', Options.MaxMessageBytes + 1));

        Assert.Equal((WebSocketCloseStatus.MessageTooBig, "more than 4096 bytes"), await client.ClosedAsync());
    }

    [Fact]
    public async Task Binary_messages_are_refused()
    {
        await using var board = await HostedBoard.StartAsync(Options);
        using var client = await BoardClient.ConnectAsync(board.Port, "Mallory");

        await client.SayAsync([1, 2, 3], WebSocketMessageType.Binary);

        Assert.Equal((WebSocketCloseStatus.InvalidMessageType, "messages are text"), await client.ClosedAsync());
    }

    [Fact]
    public async Task The_first_message_must_be_hello()
    {
        await using var board = await HostedBoard.StartAsync(Options);
        using var client = await BoardClient.ConnectAsync(board.Port);

        await client.SayAsync("""{"t":"clear"}""");

        Assert.Equal((WebSocketCloseStatus.PolicyViolation, "t: the first message is hello"), await client.ClosedAsync());
    }

    [Fact]
    public async Task Who_never_says_hello_is_let_go()
    {
        await using var board = await HostedBoard.StartAsync(Options with { HelloTimeout = TimeSpan.FromMilliseconds(50) });
        using var client = await BoardClient.ConnectAsync(board.Port);

        Assert.Equal((WebSocketCloseStatus.PolicyViolation, "no hello"), await client.ClosedAsync());
    }

    [Fact]
    public async Task Who_floods_is_cut()
    {
        await using var board = await HostedBoard.StartAsync(Options with { MessagesPerSecond = 1, MessageBurst = 5 });
        using var client = await BoardClient.ConnectAsync(board.Port, "Mallory");
        for (var i = 0; i < 10; i++)
        {
            await client.SayAsync("""{"t":"cursor","x":1,"y":2}""");
        }

        Assert.Equal((WebSocketCloseStatus.PolicyViolation, "too many messages"), await client.ClosedAsync());
    }

    [Fact]
    public async Task A_full_board_turns_people_away()
    {
        await using var board = await HostedBoard.StartAsync(Options with { MaxPeers = 1 });
        using var first = await BoardClient.ConnectAsync(board.Port, "First");
        using var second = await BoardClient.ConnectAsync(board.Port);
        await second.SayAsync("""{"t":"hello","name":"Second"}""");

        Assert.Equal(((WebSocketCloseStatus)1013, "the board is full"), await second.ClosedAsync());
    }

    [Fact]
    public async Task The_oldest_strokes_make_room_for_new_ones_on_every_screen()
    {
        await using var board = await HostedBoard.StartAsync(Options with { MaxStrokes = 2 });
        using var client = await BoardClient.ConnectAsync(board.Port, "Ada");
        for (var i = 1; i <= 3; i++)
        {
            await client.SayAsync($$"""{"t":"start","id":{{i}},"c":0,"w":1,"x":{{i}},"y":0}""");
        }

        Assert.Equal($"[[{client.Id},1]]", (await client.HearAsync("drop"))["s"]!.ToJsonString());
        using var late = await BoardClient.ConnectAsync(board.Port, "Late");
        Assert.Equal([2, 3], (await late.HearAsync("strokes"))["s"]!.AsArray().Select(s => s!["id"]!.GetValue<int>()));
    }

    [Fact]
    public async Task The_points_kept_have_a_bound()
    {
        await using var board = await HostedBoard.StartAsync(Options with { MaxPoints = 600, MessageBurst = 1000 });
        using var client = await BoardClient.ConnectAsync(board.Port, "Ada");
        var batch = string.Join(',', Enumerable.Range(0, 500).Select(i => i));
        for (var i = 1; i <= 3; i++)
        {
            await client.SayAsync($$"""{"t":"start","id":{{i}},"c":0,"w":1,"x":0,"y":0}""");
            await client.SayAsync($$"""{"t":"points","id":{{i}},"p":[{{batch}}]}""");
        }

        Assert.Equal($"[[{client.Id},1]]", (await client.HearAsync("drop"))["s"]!.ToJsonString());
    }

    [Fact]
    public async Task A_stroke_without_end_is_refused()
    {
        await using var board = await HostedBoard.StartAsync(Options with { MaxStrokePoints = 300 });
        using var client = await BoardClient.ConnectAsync(board.Port, "Mallory");
        var batch = string.Join(',', Enumerable.Range(0, 500).Select(i => i));
        await client.SayAsync("""{"t":"start","id":1,"c":0,"w":1,"x":0,"y":0}""");
        await client.SayAsync($$"""{"t":"points","id":1,"p":[{{batch}}]}""");
        await client.SayAsync($$"""{"t":"points","id":1,"p":[{{batch}}]}""");

        Assert.Equal((WebSocketCloseStatus.PolicyViolation, "p: more than 300 points in a stroke"), await client.ClosedAsync());
    }

    [Fact]
    public async Task Points_for_a_stroke_that_someone_cleared_are_no_offence()
    {
        await using var board = await HostedBoard.StartAsync(Options);
        using var ada = await BoardClient.ConnectAsync(board.Port, "Ada");
        using var bob = await BoardClient.ConnectAsync(board.Port, "Bob");
        await ada.SayAsync("""{"t":"start","id":1,"c":0,"w":1,"x":0,"y":0}""");
        await bob.HearAsync("start");
        await bob.SayAsync("""{"t":"clear"}""");
        await ada.HearAsync("clear");

        await ada.SayAsync("""{"t":"points","id":1,"p":[1,1]}""");
        await ada.SayAsync("""{"t":"end","id":1}""");
        await ada.SayAsync("""{"t":"start","id":2,"c":0,"w":1,"x":0,"y":0}""");

        await bob.HearAsync("clear");
        Assert.Equal("start", (await bob.HearAsync())!["t"]!.GetValue<string>());
    }

    [Fact]
    public async Task Who_does_not_read_is_cut_and_holds_nobody_up()
    {
        await using var board = await HostedBoard.StartAsync(Options with { MaxQueuedMessages = 64, MessagesPerSecond = 1_000_000, MessageBurst = 1_000_000 });
        using var writer = await BoardClient.ConnectAsync(board.Port, "Writer");
        // A bare socket with a small window that reads nothing after the handshake.
        using var deaf = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { ReceiveBufferSize = 4096 };
        await deaf.ConnectAsync("127.0.0.1", board.Port);
        await deaf.SendAsync(Encoding.ASCII.GetBytes(
            "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"));
        var answer = new byte[1024];
        Assert.StartsWith("HTTP/1.1 101", Encoding.ASCII.GetString(answer, 0, await deaf.ReceiveAsync(answer)), StringComparison.Ordinal);
        var hello = """{"t":"hello","name":"Deaf"}"""u8.ToArray();
        await deaf.SendAsync((byte[])[0x81, (byte)(0x80 | hello.Length), 0, 0, 0, 0, .. hello]);
        await writer.HearAsync("peer");

        var left = writer.HearAsync("leave");
        var batch = string.Join(',', Enumerable.Repeat("15000,10000", 250));
        for (var stroke = 1; !left.IsCompleted; stroke++)
        {
            await writer.SayAsync($$"""{"t":"start","id":{{stroke}},"c":0,"w":1,"x":0,"y":0}""");
            for (var i = 0; i < 15 && !left.IsCompleted; i++)
            {
                await writer.SayAsync($$"""{"t":"points","id":{{stroke}},"p":[{{batch}}]}""");
            }
        }

        await left;
    }

    [Fact]
    public async Task The_end_of_the_session_is_told()
    {
        var board = await HostedBoard.StartAsync(Options);
        using var client = await BoardClient.ConnectAsync(board.Port, "Ada");

        var closed = client.ClosedAsync();
        await board.DisposeAsync();

        Assert.Equal((WebSocketCloseStatus.EndpointUnavailable, "the session is ending"), await closed);
    }

    [Fact]
    public async Task A_static_token_in_the_path_is_passed_over()
    {
        await using var board = await HostedBoard.StartAsync(Options with { StaticToken = "s.abc" });
        using var http = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{board.Port}") };

        Assert.Contains("<title>Board</title>", await http.GetStringAsync("/s.abc/"), StringComparison.Ordinal);
        Assert.Equal("ok\n", await http.GetStringAsync("/s.abc/healthz"));
        Assert.Equal("ok\n", await http.GetStringAsync("/healthz"));
    }

    [Fact]
    public async Task The_page_names_no_absolute_address()
    {
        await using var board = await HostedBoard.StartAsync(Options);
        using var http = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{board.Port}") };
        foreach (var path in (string[])["/", "/board.js", "/board.css"])
        {
            var text = await http.GetStringAsync(path);
            Assert.DoesNotMatch("""(href|src)="[/h]|url\(|fetch\('/|new URL\('/|@import""", text);
        }
    }

    private sealed class HostedBoard : IAsyncDisposable
    {
        private readonly WebApplication _app;

        private HostedBoard(WebApplication app) => _app = app;

        public int Port => new Uri(_app.Urls.First()).Port;

        public static async Task<HostedBoard> StartAsync(BoardOptions options)
        {
            var app = BoardApp.Build(options, TimeProvider.System);
            await app.StartAsync();
            return new HostedBoard(app);
        }

        public async ValueTask DisposeAsync()
        {
            await _app.StopAsync();
            await _app.DisposeAsync();
        }
    }
}
