using System.Net;

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
