using System.Text.Json.Nodes;
using Grpc.Core;
using Grpc.Net.Client;
using Plane.Tests.Applications.Web;

namespace Plane.Tests.Applications;

/// <summary>A gRPC service of ASP.NET Core before its .NET client, through HTTPS and through HTTP/2 without TLS. Its token is in the path or, for clients that have no base path, in the cookie.</summary>
[Collection(SecureApplications.Name)]
public sealed class GrpcTests(SecureHost secure)
{
    [Theory]
    [InlineData(true, true)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(false, false)]
    public async Task Calls_streams_statuses_trailers_and_deadlines_pass(bool https, bool byPath)
    {
        var session = await secure.Host.OpenWebAsync("grpc", "grpc", new JsonObject { ["browser"] = true, ["protocol"] = "h2c" });
        using var channel = ChannelTo(session, https, byPath);
        var client = new Greeter.GreeterClient(channel);
        var headers = byPath ? [] : new Metadata { { "cookie", $"__Host-plane-session={session.Token}" } };

        using (var call = client.GreetAsync(new Greeting { Text = "you" }, headers))
        {
            Assert.Equal("hello you from ada", (await call.ResponseAsync).Text);
            Assert.Equal("you", call.GetTrailers().GetValue("greeted"));
        }

        var refused = await Assert.ThrowsAsync<RpcException>(async () => await client.GreetAsync(new Greeting(), headers));
        Assert.Equal((StatusCode.InvalidArgument, "no name"), (refused.StatusCode, refused.Status.Detail));

        using (var call = client.Count(new CountRequest { To = 1000 }, headers))
        {
            var sum = 0;
            await foreach (var reply in call.ResponseStream.ReadAllAsync())
            {
                sum += reply.Number;
            }

            Assert.Equal(500_500, sum);
        }

        var late = await Assert.ThrowsAsync<RpcException>(async () => await client.WaitAsync(new Greeting(), headers, DateTime.UtcNow.AddMilliseconds(300)));
        Assert.Equal(StatusCode.DeadlineExceeded, late.StatusCode);
    }

    private GrpcChannel ChannelTo(ApplicationSession session, bool https, bool byPath)
    {
        HttpMessageHandler handler = secure.Handler(https);
        if (byPath)
        {
            handler = new PathPrefix(session.Url.AbsolutePath.TrimEnd('/')) { InnerHandler = handler };
        }

        var address = new UriBuilder(session.Origin) { Scheme = https ? "https" : "http", Port = -1 }.Uri;
        return GrpcChannel.ForAddress(address, new GrpcChannelOptions { HttpHandler = handler, DisposeHttpClient = true });
    }

    /// <summary>A gRPC address has no path of its own.</summary>
    private sealed class PathPrefix(string prefix) : DelegatingHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            request.RequestUri = new UriBuilder(request.RequestUri!) { Path = prefix + request.RequestUri!.AbsolutePath }.Uri;
            return base.SendAsync(request, cancellationToken);
        }
    }
}
