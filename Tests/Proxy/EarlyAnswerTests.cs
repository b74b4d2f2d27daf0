using System.Net;
using Plane.Testing;

namespace Plane.Tests.Proxy;

/// <summary>Backends that answer an upload before they have read it, and close.</summary>
public sealed class EarlyAnswerTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task What_a_backend_answers_before_it_closes_on_an_upload_reaches_the_client(bool hasLength)
    {
        const int Size = 20 * 1024 * 1024;
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = new RawBackend(async (connection, _) =>
        {
            await connection.ReadUntilAsync("\r\n\r\n");
            await connection.ReadExactlyAsync(100_000);
            await connection.WriteAsync("HTTP/1.1 413 Too Large\r\nContent-Length: 9\r\nConnection: close\r\n\r\ntoo large");

            // With bytes unread: a reset.
            connection.Dispose();
        });
        for (var i = 0; i < 6; i++)
        {
            using var content = new ByteArrayContent(new byte[Size]);
            using var request = new HttpRequestMessage(HttpMethod.Post, $"/{proxy.Route(backend.Address).Value}/upload") { Content = content, Headers = { TransferEncodingChunked = !hasLength } };
            using var response = await proxy.Http.SendAsync(request);
            Assert.Equal((HttpStatusCode.RequestEntityTooLarge, "too large"), (response.StatusCode, await response.Content.ReadAsStringAsync()));
        }
    }

    [Theory]
    [InlineData(true, "")]
    [InlineData(false, "")]
    [InlineData(true, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")]
    public async Task A_refusal_of_a_backend_that_neither_reads_on_nor_closes_reaches_the_client(bool hasLength, string before)
    {
        await using var proxy = await TestProxy.StartAsync();
        var over = new TaskCompletionSource();
        var connections = 0;
        await using var backend = new RawBackend(async (connection, _) =>
        {
            Interlocked.Increment(ref connections);
            await connection.ReadUntilAsync("\r\n\r\n");
            await connection.WriteAsync($"{before}HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno");
            await over.Task;
        });
        var token = proxy.Route(backend.Address).Value;
        try
        {
            for (var i = 1; i <= 3; i++)
            {
                using var content = new ByteArrayContent(new byte[20 * 1024 * 1024]);
                using var request = new HttpRequestMessage(HttpMethod.Post, $"/{token}/upload") { Content = content, Headers = { TransferEncodingChunked = !hasLength } };
                using var response = await Eventually.EndsAsync(proxy.Http.SendAsync(request), "it is answered");
                Assert.Equal((HttpStatusCode.Unauthorized, "no"), (response.StatusCode, await response.Content.ReadAsStringAsync()));

                // What is left of the body must not be taken for the next request.
                Assert.Equal(i, connections);
            }
        }
        finally
        {
            over.SetResult();
        }
    }

    [Fact]
    public async Task An_upload_to_a_backend_that_answers_while_it_reads_slowly_arrives_whole()
    {
        const int Size = 20 * 1024 * 1024;
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = new RawBackend(async (connection, _) =>
        {
            await connection.ReadUntilAsync("\r\n\r\n");
            await connection.WriteAsync("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n");
            await Task.Delay(TimeSpan.FromSeconds(2), TimeProvider.System);
            await connection.ReadExactlyAsync(Size);
            await connection.WriteAsync("4\r\n all\r\n0\r\n\r\n");
        });
        using var content = new ByteArrayContent(new byte[Size]);
        using var response = await proxy.Http.PostAsync($"/{proxy.Route(backend.Address).Value}/upload", content);
        Assert.Equal("begun all", await response.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task A_backend_that_closes_on_an_upload_without_an_answer_is_unreachable()
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = new RawBackend(async (connection, _) =>
        {
            await connection.ReadUntilAsync("\r\n\r\n");
            await connection.ReadExactlyAsync(100_000);
            connection.Dispose();
        });
        using var content = new ByteArrayContent(new byte[20 * 1024 * 1024]);
        using var response = await proxy.Http.PostAsync($"/{proxy.Route(backend.Address).Value}/upload", content);
        Assert.Equal(HttpStatusCode.BadGateway, response.StatusCode);
    }
}
