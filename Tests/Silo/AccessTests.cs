using System.Net;
using System.Net.Sockets;
using System.Text;
using Plane.Silo;
using Plane.Testing;

namespace Plane.Tests.Silo;

public sealed class AccessTests
{
    private const string Token = "a-very-secret-control-token";

    [Theory]
    [InlineData(null, HttpStatusCode.Unauthorized)]
    [InlineData("Bearer ", HttpStatusCode.Unauthorized)]
    [InlineData("Bearer a-very-secret-control-toke", HttpStatusCode.Unauthorized)]
    [InlineData("Bearer a-very-secret-control-tokenn", HttpStatusCode.Unauthorized)]
    [InlineData("Basic a-very-secret-control-token", HttpStatusCode.Unauthorized)]
    [InlineData("Bearer A-VERY-SECRET-CONTROL-TOKEN", HttpStatusCode.Unauthorized)]
    [InlineData("Bearer a-very-secret-control-token", HttpStatusCode.OK)]
    [InlineData("bearer a-very-secret-control-token", HttpStatusCode.OK)]
    public async Task The_control_token_opens_ctrl(string? authorization, HttpStatusCode status)
    {
        await using var controller = await WithTokenAsync();
        var answer = await controller.GetAsync("/ctrl/status", authorization is null ? [] : [("authorization", authorization)]);
        answer.Expect(status);
        if (status == HttpStatusCode.Unauthorized)
        {
            answer.ExpectError(status, "Unauthorized");
            Assert.Equal("Bearer", answer.Headers.WwwAuthenticate.Single().Scheme);
        }
    }

    [Fact]
    public async Task Every_route_is_protected_but_pub_and_the_description()
    {
        await using var controller = await WithTokenAsync();
        foreach (var (method, path) in await OpenApiTests.RoutesAsync(controller))
        {
            var answer = await controller.SendAsync(new HttpMethod(method), path.Replace("{backend}", "x", StringComparison.Ordinal)
                .Replace("{cluster}", "c", StringComparison.Ordinal).Replace("{drone}", "dr-x", StringComparison.Ordinal));
            Assert.True(
                (answer.Status == HttpStatusCode.Unauthorized) == path.StartsWith("/ctrl", StringComparison.Ordinal),
                $"{method} {path} answered {answer.Status}");
        }

        foreach (var path in (string[])["/metrics", "/METRICS", "/CTRL/status", "/%63trl/status", "/ctrl/connect"])
        {
            (await controller.GetAsync(path)).ExpectError(HttpStatusCode.Unauthorized, "Unauthorized");
        }

        (await controller.GetAsync("/openapi.json")).Expect(HttpStatusCode.OK);
        (await controller.GetAsync("/metrics", ("authorization", $"Bearer {Token}"))).Expect(HttpStatusCode.OK);
    }

    [Fact]
    public async Task A_request_without_authorization_changes_nothing()
    {
        await using var controller = await WithTokenAsync();
        await controller.AddDroneAsync();
        (await controller.PostAsync("/ctrl/connect", Requests.Connect("k"))).ExpectError(HttpStatusCode.Unauthorized, "Unauthorized");
        var list = await controller.GetAsync("/ctrl/backends", ("authorization", $"Bearer {Token}"));
        Assert.Empty(list.Expect(HttpStatusCode.OK).Json!["backends"]!.AsArray());
    }

    [Fact]
    public async Task Forward_auth_is_asked_with_method_headers_and_path_but_no_body()
    {
        await using var auth = await AuthService.StartAsync();
        await using var controller = await Controller.StartAsync(o => o.ForwardAuth = auth.Url);
        await controller.AddDroneAsync();
        (await controller.PostAsync(
            "/ctrl/connect?x=1", Requests.Connect("k"), ("authorization", "Bearer abc"), ("x-custom", "1"), ("connection", "x-hop"), ("x-hop", "h"),
            ("x-original-path", "/forged"), ("x-forwarded-uri", "/forged"), ("x-forwarded-method", "FORGED"))).Expect(HttpStatusCode.OK);

        var question = Assert.Single(auth.Asked);
        Assert.Equal("POST", question.Method);
        Assert.Equal("/check?who=plane", question.Path);
        Assert.Equal(0, question.Body);
        Assert.Equal("/connect", question.Headers["x-original-path"]);
        Assert.Equal("/ctrl/connect?x=1", question.Headers["x-forwarded-uri"]);
        Assert.Equal("POST", question.Headers["x-forwarded-method"]);
        Assert.Equal("Bearer abc", question.Headers["authorization"]);
        Assert.Equal("1", question.Headers["x-custom"]);
        Assert.StartsWith("application/json", question.Headers["content-type"], StringComparison.Ordinal);
        Assert.DoesNotContain("x-hop", question.Headers.Keys);
        Assert.DoesNotContain("transfer-encoding", question.Headers.Keys);
    }

    [Theory]
    [InlineData("x_original_path")]
    [InlineData("X.Original.Path")]
    [InlineData("x-original_path")]
    [InlineData("x_forwarded_uri")]
    [InlineData("x-forwarded-for")]
    [InlineData("x-forwarded-host")]
    [InlineData("X_Forwarded_Proto")]
    [InlineData("x-forwarded-port")]
    [InlineData("x-original-for")]
    [InlineData("forwarded")]
    public async Task The_original_path_cannot_be_spelt_otherwise(string name)
    {
        await using var auth = await AuthService.StartAsync();
        await using var controller = await Controller.StartAsync(o => o.ForwardAuth = auth.Url);
        (await controller.GetAsync("/ctrl/status", (name, "/forged"))).Expect(HttpStatusCode.OK);
        var question = Assert.Single(auth.Asked);
        Assert.Equal("/status", question.Headers["x-original-path"]);
        Assert.DoesNotContain("/forged", question.Headers.Values);
        Assert.Equal(
            ("127.0.0.1", "http", controller.Http.BaseAddress!.Authority),
            (question.Headers["x-forwarded-for"], question.Headers["x-forwarded-proto"], question.Headers["x-forwarded-host"]));
    }

    [Fact]
    public async Task Headers_that_are_not_ascii_reach_forward_auth_and_do_not_spoil_its_answer()
    {
        await using var auth = await AuthService.StartAsync();
        auth.Answer = c =>
        {
            c.Response.Headers["x-user"] = "J\u00fcrgen";
            return Task.CompletedTask;
        };
        await using var controller = await Controller.StartAsync(o => o.ForwardAuth = auth.Url);
        using var http = new HttpClient(new SocketsHttpHandler { UseProxy = false, RequestHeaderEncodingSelector = static (_, _) => Encoding.UTF8 });
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(controller.Http.BaseAddress!, "/ctrl/status"));
        Assert.True(request.Headers.TryAddWithoutValidation("x-name", "J\u00fcrgen"));
        using var answer = await http.SendAsync(request);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal("J\u00fcrgen", Assert.Single(auth.Asked).Headers["x-name"]);
    }

    [Theory]
    [InlineData("sec-fetch-site", "cross-site", false)]
    [InlineData("sec-fetch-site", "same-site", false)]
    [InlineData("sec-fetch-site", "same-origin", true)]
    [InlineData("sec-fetch-site", "none", true)]
    [InlineData("origin", "http://evil.example", false)]
    [InlineData("origin", "http://localhost:1", false)]
    [InlineData("origin", "null", false)]
    [InlineData("origin", "http://plane.example", false)]
    [InlineData("origin", "https://plane.example", true)]
    public async Task With_forward_auth_a_page_of_another_origin_changes_nothing(string name, string value, bool passes)
    {
        await using var auth = await AuthService.StartAsync();
        await using var controller = await Controller.StartAsync(o => (o.ForwardAuth, o.ControllerUrl) = (auth.Url, new Uri("https://plane.example/")));
        (HttpMethod Method, string Path)[] changes = [(HttpMethod.Post, "/ctrl/b/x/hard-terminate"), (HttpMethod.Delete, "/ctrl/s/x"), (HttpMethod.Put, "/CTRL/s/x")];
        foreach (var (method, path) in changes)
        {
            var answer = await controller.SendAsync(method, path, null, (name, value));
            if (passes)
            {
                Assert.True(answer.Status is HttpStatusCode.NotFound or HttpStatusCode.UnsupportedMediaType, $"{method} {path}: {answer.Text}");
            }
            else
            {
                answer.ExpectError(HttpStatusCode.Unauthorized, "Unauthorized");
                Assert.Contains("own origin", answer.Message, StringComparison.Ordinal);
            }
        }

        Assert.Equal(passes ? changes.Length : 0, auth.Asked.Count);
        (await controller.GetAsync("/ctrl/status", (name, value))).Expect(HttpStatusCode.OK);
    }

    [Fact]
    public async Task With_forward_auth_the_controllers_own_pages_and_holders_of_the_token_change_things()
    {
        await using var auth = await AuthService.StartAsync();
        await using var controller = await WithTokenAsync(auth.Url);
        var own = controller.Http.BaseAddress!.GetLeftPart(UriPartial.Authority);
        (await controller.PostAsync("/ctrl/b/x/hard-terminate", null, ("origin", own), ("sec-fetch-site", "same-origin"))).ExpectError(HttpStatusCode.NotFound, "NotFound");
        (await controller.PostAsync("/ctrl/b/x/hard-terminate", null, ("origin", own.Replace("http:", "https:", StringComparison.Ordinal)))).ExpectError(HttpStatusCode.NotFound, "NotFound");
        (await controller.PostAsync("/ctrl/b/x/hard-terminate", null, ("origin", "http://evil.example"), ("authorization", $"Bearer {Token}"))).ExpectError(HttpStatusCode.NotFound, "NotFound");
    }

    [Theory]
    [InlineData("host", "evil.example", false)]
    [InlineData("host", "evil.example:8080", false)]
    [InlineData("host", "localhost.evil.example", false)]
    [InlineData("host", "192.0.2.1", false)]
    [InlineData("host", "localhost", true)]
    [InlineData("host", "LOCALHOST:8080", true)]
    [InlineData("host", "127.0.0.9:1", true)]
    [InlineData("host", "[::1]:8080", true)]
    [InlineData("host", "plane.example:1234", true)]
    [InlineData("sec-fetch-site", "cross-site", false)]
    [InlineData("sec-fetch-site", "same-origin", true)]
    [InlineData("sec-fetch-site", "none", true)]
    [InlineData("origin", "http://evil.example", false)]
    [InlineData("origin", "http://localhost:1", false)]
    [InlineData("origin", "null", false)]
    [InlineData("origin", "https://plane.example", true)]
    public async Task Without_access_control_other_sites_pages_are_refused(string name, string value, bool passes)
    {
        await using var controller = await Controller.StartAsync(o => o.ControllerUrl = new Uri("https://plane.example/"));
        foreach (var path in (string[])["/ctrl/status", "/metrics"])
        {
            var answer = await controller.GetAsync(path, (name, value));
            if (passes)
            {
                answer.Expect(HttpStatusCode.OK);
            }
            else
            {
                answer.ExpectError(HttpStatusCode.Unauthorized, "Unauthorized");
                Assert.Contains("--ctrl-token-file", answer.Message, StringComparison.Ordinal);
            }
        }

        (await controller.GetAsync("/pub/health", (name, value))).Expect(HttpStatusCode.OK);
    }

    [Fact]
    public async Task The_controllers_own_pages_are_answered()
    {
        await using var controller = await Controller.StartAsync();
        var own = controller.Http.BaseAddress!.GetLeftPart(UriPartial.Authority);
        (await controller.GetAsync("/ctrl/status", ("origin", own), ("sec-fetch-site", "same-origin"))).Expect(HttpStatusCode.OK);
    }

    [Fact]
    public async Task With_a_token_any_name_will_do()
    {
        await using var controller = await WithTokenAsync();
        (await controller.GetAsync("/ctrl/status", ("authorization", $"Bearer {Token}"), ("host", "plane.example"), ("origin", "http://other.example")))
            .Expect(HttpStatusCode.OK);
    }

    [Fact]
    public async Task Forward_auth_is_not_asked_for_public_routes()
    {
        await using var auth = await AuthService.StartAsync();
        await using var controller = await Controller.StartAsync(o => o.ForwardAuth = auth.Url);
        (await controller.GetAsync("/pub/health")).Expect(HttpStatusCode.OK);
        (await controller.GetAsync("/pub/b/x/status")).Expect(HttpStatusCode.NotFound);
        Assert.Empty(auth.Asked);
    }

    [Theory]
    [InlineData(200, HttpStatusCode.OK)]
    [InlineData(204, HttpStatusCode.OK)]
    [InlineData(302, HttpStatusCode.Unauthorized)]
    [InlineData(401, HttpStatusCode.Unauthorized)]
    [InlineData(403, HttpStatusCode.Unauthorized)]
    [InlineData(500, HttpStatusCode.Unauthorized)]
    public async Task Only_2xx_lets_a_request_pass(int verdict, HttpStatusCode status)
    {
        await using var auth = await AuthService.StartAsync();
        await using var elsewhere = await AuthService.StartAsync();
        auth.Answer = c =>
        {
            c.Response.StatusCode = verdict;
            c.Response.Headers.Location = elsewhere.Url.ToString();
            return Task.CompletedTask;
        };
        await using var controller = await Controller.StartAsync(o => o.ForwardAuth = auth.Url);
        (await controller.GetAsync("/ctrl/status")).Expect(status);
        Assert.Empty(elsewhere.Asked);
    }

    [Fact]
    public async Task An_unreachable_forward_auth_is_a_502()
    {
        using var socket = new TcpListener(IPAddress.Loopback, 0);
        socket.Start();
        var port = ((IPEndPoint)socket.LocalEndpoint).Port;
        socket.Stop();
        await using var controller = await Controller.StartAsync(o => o.ForwardAuth = new Uri($"http://127.0.0.1:{port}/"));
        (await controller.GetAsync("/ctrl/status")).ExpectError(HttpStatusCode.BadGateway, "ForwardAuthUnavailable");
    }

    [Fact]
    public async Task A_forward_auth_that_never_answers_is_a_502()
    {
        await using var auth = await AuthService.StartAsync();
        auth.Answer = c => Task.Delay(Timeout.Infinite, c.RequestAborted).ContinueWith(_ => { }, TaskScheduler.Default);
        await using var controller = await Controller.StartAsync(o =>
        {
            o.ForwardAuth = auth.Url;
            o.ForwardAuthTimeout = TimeSpan.FromMilliseconds(300);
        });
        (await controller.GetAsync("/ctrl/status")).ExpectError(HttpStatusCode.BadGateway, "ForwardAuthUnavailable");
    }

    [Fact]
    public async Task With_both_the_token_spares_the_question()
    {
        await using var auth = await AuthService.StartAsync();
        await using var controller = await WithTokenAsync(auth.Url);
        (await controller.GetAsync("/ctrl/status", ("authorization", $"Bearer {Token}"))).Expect(HttpStatusCode.OK);
        Assert.Empty(auth.Asked);
        (await controller.GetAsync("/ctrl/status")).Expect(HttpStatusCode.OK);
        Assert.Single(auth.Asked);
    }

    [Theory]
    [InlineData("*", false, true)]
    [InlineData("0.0.0.0", false, true)]
    [InlineData("::", false, true)]
    [InlineData("127.0.0.1", false, false)]
    [InlineData("localhost", false, false)]
    [InlineData("*", true, false)]
    public void A_controller_beyond_loopback_without_access_control_is_open_to_strangers(string host, bool token, bool open) =>
        Assert.Equal(open, new ControllerOptions { Host = host, CtrlTokenFile = token ? "/some/file" : null }.IsOpenToStrangers);

    private static async Task<Controller> WithTokenAsync(Uri? forwardAuth = null)
    {
        var directory = new TempDirectory();
        return await Controller.StartAsync(
            o =>
            {
                o.CtrlTokenFile = WriteToken(directory, Token);
                o.ForwardAuth = forwardAuth;
            },
            directory: directory);
    }

    private static string WriteToken(TempDirectory directory, string token)
    {
        File.WriteAllText(directory["token"], token + "\n");
        return directory["token"];
    }
}
