using System.Net.WebSockets;
using System.Text;
using System.Text.Json.Nodes;
using Plane.Testing;

namespace Plane.Tests.Demo;

/// <summary>A bare WebSocket to a board, for what no page would say.</summary>
internal sealed class BoardClient : IDisposable
{
    private readonly ClientWebSocket _socket = new();

    public WebSocketCloseStatus? CloseStatus => _socket.CloseStatus;

    public string? CloseReason => _socket.CloseStatusDescription;

    /// <summary>The number that the board gave this person.</summary>
    public int Id { get; private set; }

    /// <summary>Connects, and says hello if a name is given.</summary>
    public static async Task<BoardClient> ConnectAsync(int port, string? name = null, string? verified = null)
    {
        var client = new BoardClient();
        if (verified is not null)
        {
            client._socket.Options.SetRequestHeader("x-verified-username", verified);
        }

        await client._socket.ConnectAsync(new Uri($"ws://127.0.0.1:{port}/ws"), CancellationToken.None);
        if (name is not null)
        {
            await client.SayAsync(new JsonObject { ["t"] = "hello", ["name"] = name }.ToJsonString());
            client.Id = (await client.HearAsync("welcome"))["you"]!.GetValue<int>();
        }

        return client;
    }

    public Task SayAsync(string message) => SayAsync(Encoding.UTF8.GetBytes(message));

    public Task SayAsync(byte[] message, WebSocketMessageType type = WebSocketMessageType.Text) =>
        _socket.SendAsync(message, type, true, CancellationToken.None);

    /// <summary>The next message, or null when the board closed.</summary>
    public async Task<JsonNode?> HearAsync()
    {
        using var limit = new CancellationTokenSource(Eventually.DefaultDeadline, TimeProvider.System);
        var message = new MemoryStream();
        var buffer = new byte[64 * 1024];
        while (true)
        {
            var received = await _socket.ReceiveAsync(buffer.AsMemory(), limit.Token);
            if (received.MessageType == WebSocketMessageType.Close)
            {
                try
                {
                    await _socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, null, limit.Token);
                }
                catch (WebSocketException)
                {
                    // The board waits for this answer for a short time only; a busy machine can be later.
                }

                return null;
            }

            message.Write(buffer, 0, received.Count);
            if (received.EndOfMessage)
            {
                return JsonNode.Parse(message.ToArray());
            }
        }
    }

    /// <summary>The next message of a kind; others are passed over.</summary>
    public async Task<JsonNode> HearAsync(string kind)
    {
        var passed = new List<string>();
        while (await HearAsync() is { } message)
        {
            if (message["t"]!.GetValue<string>() == kind)
            {
                return message;
            }

            passed.Add(message.ToJsonString());
        }

        throw new Xunit.Sdk.XunitException($"Expected '{kind}'; the board closed with {CloseStatus} '{CloseReason}' after: {string.Join('\n', passed)}");
    }

    /// <summary>Waits until the board closes, and returns why.</summary>
    public async Task<(WebSocketCloseStatus? Status, string? Reason)> ClosedAsync()
    {
        while (await HearAsync() is not null)
        {
        }

        return (CloseStatus, CloseReason);
    }

    public void Dispose() => _socket.Dispose();
}
