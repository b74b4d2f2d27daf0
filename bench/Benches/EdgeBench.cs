using System.Net.Sockets;
using System.Text;
using System.Text.RegularExpressions;
using Plane.Bench.Peers;
using Plane.Testing;

namespace Plane.Bench.Benches;

/// <summary>
/// What reaches a client where a backend is unusual: it answers before it has read an upload, ends connections without a word, hints early. Not how fast, but how many of the answers arrive,
/// beside nginx and haproxy with the same backend.
/// </summary>
internal sealed partial class EdgeBench : IBench
{
    private static readonly int[] s_megabytes = [1, 5, 50];

    public string Name => "proxy-edges";

    public async Task RunAsync(BenchContext context, Report report)
    {
        using var folder = new TempDirectory();
        foreach (var size in s_megabytes)
        {
            await using var file = File.Create(folder[$"{size}"]);
            file.SetLength(size * 1_000_000L);
        }

        await using var backend = new EdgeBackend();
        await using var setting = await ProxySetting.StartAsync(backend.Address);
        await using var nginx = await Peer.NginxProxyAsync(backend.Address);
        await using var haproxy = await Peer.HaproxyAsync(backend.Address);
        (string Name, Uri Url)[] sides = [("plane", setting.Url), ("nginx", nginx.Url), ("haproxy", haproxy.Url)];

        foreach (var (mode, status, title) in new[]
        {
            ("early-close", 413, "an upload is refused and its connection ended"), ("early-keep", 401, "an upload is refused and its connection kept, unread"),
            ("early-read", 401, "an upload is refused and read"),
        })
        {
            await CompareAsync(report, title, sides, context.Options.Rounds * s_megabytes.Length, async (url, i) =>
                await CurlAsync(new Uri(url, mode), folder[$"{s_megabytes[i % s_megabytes.Length]}"]) == status);
        }

        foreach (var (mode, title) in new[]
        {
            ("silent-close", "each connection ends without a word"), ("said-close", "each connection ends as announced"), ("until-close", "bodies of HTTP/1.0, until the connection ends"),
        })
        {
            await CompareAsync(report, $"{title}, GET", sides, context.Options.Rounds * 20, (url, _) => AskAsync(new Uri(url, mode), "GET"));
            await CompareAsync(report, $"{title}, POST", sides, context.Options.Rounds * 20, (url, _) => AskAsync(new Uri(url, mode), "POST"));
        }

        await CompareAsync(report, "three requests in one packet", sides, context.Options.Rounds * 20, (url, _) => PipelineAsync(new Uri(url, "plain")));
        await CompareAsync(report, "a client that sends no more", sides, context.Options.Rounds * 20, (url, _) => HalfCloseAsync(new Uri(url, "plain")));
        await CompareAsync(report, "103 Early Hints", sides, context.Options.Rounds, (url, _) => HintsAsync(new Uri(url, "hints")));
    }

    private static async Task CompareAsync(Report report, string title, (string Name, Uri Url)[] sides, int times, Func<Uri, int, Task<bool>> arrives)
    {
        var arrived = new int[sides.Length];
        for (var i = 0; i < times; i++)
        {
            for (var side = 0; side < sides.Length; side++)
            {
                arrived[side] += await arrives(sides[side].Url, i) ? 1 : 0;
            }
        }

        Console.Error.WriteLine($"bench:   {title}: " + string.Join("; ", sides.Select((s, i) => $"{s.Name} {arrived[i]} of {times}")));
        report.Value(
            $"edges, {title}", $"plane {arrived[0]} of {times}", string.Join(", ", sides.Skip(1).Select((s, i) => $"{s.Name} {arrived[i + 1]}")), arrived[0], "answers", arrived[2], atLeast: true);
    }

    private static async Task<int> CurlAsync(Uri url, string file)
    {
        // Without Expect: a client that asks first would not be refused in the middle.
        var (_, lines) = await RunningProgram.RunAsync(
            "curl", ["-s", "-m", "15", "-o", "/dev/null", "-w", "%{http_code}\n", "-H", "Expect:", "--data-binary", $"@{file}", url.AbsoluteUri], deadline: TimeSpan.FromMinutes(1));
        return lines.Count > 0 && int.TryParse(lines[^1], out var status) ? status : 0;
    }

    /// <summary>Two requests on one connection to the proxy, which finds what the first left of the connection to the backend.</summary>
    private static async Task<bool> AskAsync(Uri url, string method)
    {
        var body = method == "POST" ? "x" : "";
        var request = $"{method} {url.PathAndQuery} HTTP/1.1\r\nHost: {url.Authority}\r\n" + (body.Length > 0 ? "Content-Length: 1\r\n" : "") + $"\r\n{body}";
        var last = request.Replace("\r\nHost:", "\r\nConnection: close\r\nHost:", StringComparison.Ordinal);
        var text = await TalkAsync(url, async socket =>
        {
            await socket.SendAsync(Encoding.ASCII.GetBytes(request));
            await Task.Delay(5);
            await socket.SendAsync(Encoding.ASCII.GetBytes(last));
        });
        return Answers(text) == 2;
    }

    private static async Task<bool> PipelineAsync(Uri url)
    {
        var request = $"GET {url.PathAndQuery} HTTP/1.1\r\nHost: {url.Authority}\r\n\r\n";
        var last = request.Replace("\r\nHost:", "\r\nConnection: close\r\nHost:", StringComparison.Ordinal);
        return Answers(await TalkAsync(url, async socket => await socket.SendAsync(Encoding.ASCII.GetBytes(request + request + last)))) == 3;
    }

    private static async Task<bool> HalfCloseAsync(Uri url) => Answers(await TalkAsync(url, async socket =>
    {
        await socket.SendAsync(Encoding.ASCII.GetBytes($"GET {url.PathAndQuery} HTTP/1.1\r\nHost: {url.Authority}\r\nConnection: close\r\n\r\n"));
        socket.Shutdown(SocketShutdown.Send);
    })) == 1;

    private static async Task<bool> HintsAsync(Uri url) => (await TalkAsync(
        url, async socket => await socket.SendAsync(Encoding.ASCII.GetBytes($"GET {url.PathAndQuery} HTTP/1.1\r\nHost: {url.Authority}\r\nConnection: close\r\n\r\n"))))
        .Split("HTTP/1.1 ") is ["", ['1', '0', '3', ..], ['2', '0', '0', ..] answer] && answer.EndsWith("ok", StringComparison.Ordinal);

    [GeneratedRegex(@"HTTP/1\.[01] 200 ")]
    private static partial Regex Answer();

    private static int Answers(string text) => Answer().Count(text);

    private static async Task<string> TalkAsync(Uri url, Func<Socket, Task> send)
    {
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(10));
        var text = new StringBuilder();
        try
        {
            await socket.ConnectAsync("127.0.0.1", url.Port, limit.Token);
            await send(socket);
            var buffer = new byte[4096];
            for (int read; (read = await socket.ReceiveAsync(buffer, limit.Token)) > 0;)
            {
                text.Append(Encoding.Latin1.GetString(buffer, 0, read));
            }
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException)
        {
            // What came until then counts.
        }

        return text.ToString();
    }
}
