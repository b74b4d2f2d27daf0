using System.Net.Sockets;
using Plane.ProxyHost.Connections;
using Plane.Testing;

namespace Plane.Tests.Proxy;

/// <summary>Clients that end their own direction once they have sent their request.</summary>
public sealed class HalfCloseTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_request_whose_client_sends_no_more_is_answered_in_a_moment_or_abandoned(bool inTime)
    {
        var time = new ManualTime();
        await using var proxy = await TestProxy.StartAsync(time: time);
        var (answers, left) = (new TaskCompletionSource(), new TaskCompletionSource());
        await using var backend = new RawBackend(async (connection, all) =>
        {
            all.Requests.Enqueue((await connection.ReadMessageAsync())!);
            if (inTime)
            {
                await answers.Task;
                await connection.WriteAsync("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
            }

            await connection.ReadToEndAsync();
            left.SetResult();
        });
        using var client = await proxy.ConnectAsync();
        await client.Connection.WriteAsync($"GET /{proxy.Route(backend.Address).Value}/ HTTP/1.1\r\nHost: {TestProxy.Cluster}\r\n\r\n");
        await Eventually.TrueAsync(() => backend.Requests.Count == 1, "the backend has the request");

        client.Connection.Socket.Shutdown(SocketShutdown.Send);
        await Eventually.TrueAsync(() => time.LongPoll(HalfClose.Grace), "the proxy has noticed");
        if (inTime)
        {
            answers.SetResult();
        }
        else
        {
            time.Advance(HalfClose.Grace);
            await Eventually.EndsAsync(left.Task, "the request is abandoned");
        }

        var answer = await Eventually.EndsAsync(client.Connection.ReadToEndAsync(), "the connection ends");
        Assert.Equal(inTime, answer.StartsWith("HTTP/1.1 200 ", StringComparison.Ordinal) && answer.EndsWith("ok", StringComparison.Ordinal));
    }
}
