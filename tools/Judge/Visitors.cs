using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;

namespace Plane.Judge;

/// <summary>Tells every visitor who this backend is: by one HTTP response, or over a WebSocket, which otherwise echoes.</summary>
internal sealed class Visitors(LifeFile life)
{
    private const int MaxHead = 32 * 1024;
    private const string Claim = "POST /.plane/claim ";

    public async Task ServeAsync(TcpListener listener)
    {
        while (true)
        {
            var client = await listener.AcceptTcpClientAsync();
            _ = VisitAsync(client);
        }
    }

    private async Task VisitAsync(TcpClient client)
    {
        using (client)
        {
            try
            {
                client.NoDelay = true;
                var stream = client.GetStream();
                if (await HeadAsync(stream) is not { } head)
                {
                    return;
                }

                if (head.Text.StartsWith(Claim, StringComparison.Ordinal))
                {
                    await ClaimAsync(stream, head);
                    return;
                }

                if (life.IsWarm && Header(head.Text, "User-Agent") != "plane-probe")
                {
                    // No visitor may come here before the claim.
                    life.Write("visit");
                }

                if (Header(head.Text, "Sec-WebSocket-Key") is { } key)
                {
                    await EchoAsync(stream, key);
                    return;
                }

                var answer = life.Answer;
                await stream.WriteAsync(Encoding.ASCII.GetBytes(
                    $"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {answer.Length}\r\nConnection: close\r\n\r\n{answer}"));
            }
            catch (Exception e) when (e is IOException or WebSocketException or SocketException)
            {
                // A visitor that went away says nothing about this backend; a visitor's own record tells what it saw.
                Console.WriteLine(e.Message);
            }
        }
    }

    private async Task EchoAsync(NetworkStream stream, string key)
    {
#pragma warning disable CA5350 // RFC 6455, 4.2.2: the handshake is defined with SHA-1.
        var accept = Convert.ToBase64String(SHA1.HashData(Encoding.ASCII.GetBytes(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")));
#pragma warning restore CA5350
        await stream.WriteAsync(Encoding.ASCII.GetBytes(
            $"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"));
        using var socket = WebSocket.CreateFromStream(stream, new WebSocketCreationOptions { IsServer = true });
        await socket.SendAsync(Encoding.ASCII.GetBytes(life.Answer), WebSocketMessageType.Text, endOfMessage: true, CancellationToken.None);
        var buffer = new byte[16 * 1024];
        while (true)
        {
            var message = await socket.ReceiveAsync(buffer.AsMemory(), CancellationToken.None);
            if (message.MessageType == WebSocketMessageType.Close)
            {
                await socket.CloseAsync(WebSocketCloseStatus.NormalClosure, null, CancellationToken.None);
                return;
            }

            await socket.SendAsync(buffer.AsMemory(0, message.Count), message.MessageType, message.EndOfMessage, CancellationToken.None);
        }
    }

    /// <summary>
    /// Takes the claim, mostly as applications should. Of 32 one each refuses it, never answers, answers late, ends before its answer, or right after it; which one follows from its id.
    /// </summary>
    private async Task ClaimAsync(NetworkStream stream, (string Text, string Body) head)
    {
        var body = head.Body;
        var length = int.Parse(Header(head.Text, "Content-Length") ?? "0", CultureInfo.InvariantCulture);
        var buffer = new byte[4096];
        while (body.Length < length)
        {
            var read = await stream.ReadAsync(buffer);
            if (read == 0)
            {
                return;
            }

            body += Encoding.Latin1.GetString(buffer, 0, read);
        }

        var claim = JsonNode.Parse(body)!;
        life.Claim((string)claim["key"]!, (long)claim["fencing_token"]!);
        var mood = SHA256.HashData(Encoding.ASCII.GetBytes(life.Backend))[0] % 32;
        switch (mood)
        {
            case 0:
                await stream.WriteAsync("HTTP/1.1 500 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"u8.ToArray());
                return;
            case 1:
                await Task.Delay(TimeSpan.FromSeconds(30), TimeProvider.System);
                return;
            case 2:
                Process.GetCurrentProcess().Kill();
                return;
            case 4:
                await Task.Delay(TimeSpan.FromSeconds(1.5), TimeProvider.System);
                break;
        }

        await stream.WriteAsync("HTTP/1.1 204 Yes\r\nConnection: close\r\n\r\n"u8.ToArray());
        if (mood == 3)
        {
            await stream.FlushAsync();
            Process.GetCurrentProcess().Kill();
        }
    }

    /// <summary>The request's head, and what came of its body with it; null where none came.</summary>
    private static async Task<(string Text, string Body)?> HeadAsync(NetworkStream stream)
    {
        var buffer = new byte[MaxHead];
        var filled = 0;
        while (filled < buffer.Length)
        {
            var read = await stream.ReadAsync(buffer.AsMemory(filled));
            if (read == 0)
            {
                return null;
            }

            filled += read;
            if (buffer.AsSpan(0, filled).IndexOf("\r\n\r\n"u8) is >= 0 and var end)
            {
                return (Encoding.Latin1.GetString(buffer, 0, end), Encoding.Latin1.GetString(buffer, end + 4, filled - end - 4));
            }
        }

        return null;
    }

    private static string? Header(string head, string name) => head.Split("\r\n")
        .Skip(1)
        .Select(line => line.Split(':', 2))
        .Where(parts => parts.Length == 2 && parts[0].Equals(name, StringComparison.OrdinalIgnoreCase))
        .Select(parts => parts[1].Trim())
        .FirstOrDefault();
}
