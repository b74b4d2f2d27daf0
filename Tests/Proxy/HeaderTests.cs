namespace Plane.Tests.Proxy;

/// <summary>Which headers reach the backend and the client.</summary>
public sealed class HeaderTests
{
    [Fact]
    public async Task The_backend_is_told_who_the_user_is_and_where_the_request_was_made()
    {
        Assert.True(JsonText.TryParse("""{"role":"éditeur"}""", out var auth));
        var (head, token) = await SeenAsync("", r => r with { User = "alice", Auth = auth, SecretToken = "s3cret" });
        Assert.Equal("alice", Value(head, "x-verified-username"));
        Assert.Equal("""{"role":"\u00E9diteur"}""", Value(head, "x-verified-user-data"));
        Assert.Equal($"/{token.Value}/a%2Fb", Value(head, "x-verified-path"));
        Assert.Equal($"/{token.Value}", Value(head, "x-forwarded-prefix"));
        Assert.Equal("room-1", Value(head, "x-verified-backend"));
        Assert.Equal("s3cret", Value(head, "x-verified-secret"));
        Assert.Equal("127.0.0.1", Value(head, "x-forwarded-for"));
        Assert.Equal(TestProxy.Cluster, Value(head, "x-forwarded-host"));
        Assert.Equal("http", Value(head, "x-forwarded-proto"));
        Assert.Equal(TestProxy.Cluster, Value(head, "host"));
    }

    [Fact]
    public async Task A_token_without_a_user_adds_none()
    {
        var (head, _) = await SeenAsync("", r => r with { SecretToken = null });
        Assert.DoesNotContain("x-verified-username", head, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("x-verified-user-data", head, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("x-verified-secret", head, StringComparison.OrdinalIgnoreCase);
    }

    [Theory]
    [InlineData("alice@example.com", "alice@example.com")]
    [InlineData("a b", "a b")]
    [InlineData("100% | \"x\"", "100% | \"x\"")]
    [InlineData("Zo%C3%AB", "Zo%C3%AB")]
    [InlineData("Zoë", "UTF-8''Zo%C3%AB")]
    [InlineData("UTF-8''Zo%C3%AB", "UTF-8''UTF-8%27%27Zo%25C3%25AB")]
    [InlineData(" a ", "UTF-8''%20a%20")]
    [InlineData("😀", "UTF-8''%F0%9F%98%80")]
    public async Task A_users_name_is_sent_as_it_is_or_encoded_so_that_no_two_names_become_one(string user, string header)
    {
        var (head, _) = await SeenAsync("", r => r with { User = user });
        Assert.Equal(header, Value(head, "x-verified-username"));
    }

    [Theory]
    [InlineData("x-verified-username")]
    [InlineData("X-Verified-Username")]
    [InlineData("X-VERIFIED-SECRET")]
    [InlineData("x_verified_username")]
    [InlineData("X_Verified-username")]
    [InlineData("x-verified_username")]
    [InlineData("x.verified.username")]
    [InlineData("x~verified!username")]
    [InlineData("x-verified-anything")]
    [InlineData("x-verified-path")]
    [InlineData("x-forwarded-for")]
    [InlineData("x_forwarded_for")]
    [InlineData("X-Forwarded-Port")]
    [InlineData("Forwarded")]
    public async Task What_a_client_says_of_itself_is_removed_in_any_spelling(string name)
    {
        var (head, _) = await SeenAsync($"{name}: mallory\r\n{name}: mallory\r\n", r => r with { User = "alice" });
        Assert.DoesNotContain("mallory", head, StringComparison.Ordinal);
        Assert.Equal("alice", Value(head, "x-verified-username"));
    }

    [Theory]
    [InlineData("x-verified")]
    [InlineData("x-verifiedname")]
    [InlineData("xverified-name")]
    [InlineData("x-very-fied")]
    public async Task Names_that_only_look_alike_pass(string name)
    {
        var (head, _) = await SeenAsync($"{name}: kept\r\n");
        Assert.Equal("kept", Value(head, name));
    }

    [Fact]
    public async Task What_concerns_one_hop_alone_is_not_passed_on()
    {
        var (head, _) = await SeenAsync(
            "Connection: X-Hop, host, x-verified-backend\r\nX-Hop: hop\r\nKeep-Alive: hop\r\nProxy-Connection: hop\r\nProxy-Authorization: hop\r\n"
            + "TE: trailers, hop\r\nTrailer: hop\r\nUpgrade: h2c\r\nHTTP2-Settings: hop\r\n");
        Assert.DoesNotContain("hop", head, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("connection:", head, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("upgrade", head, StringComparison.OrdinalIgnoreCase);
        Assert.Empty(Values(head, "te"));
        Assert.Equal(TestProxy.Cluster, Value(head, "host"));
        Assert.Equal("room-1", Value(head, "x-verified-backend"));
    }

    [Fact]
    public async Task Other_headers_pass_byte_for_byte()
    {
        var (head, _) = await SeenAsync("X-Bytes: caf\u00e9 \u00ff\r\nCookie: a=b; c=d\r\nX-Twice: 1\r\nX-Twice: 2\r\nAccept-Encoding: gzip, br\r\nX-Empty:\r\n");
        Assert.Equal("caf\u00e9 \u00ff", Value(head, "x-bytes"));
        Assert.Equal("a=b; c=d", Value(head, "cookie"));
        Assert.Equal("gzip, br", Value(head, "accept-encoding"));
        Assert.Equal(["1", "2"], Values(head, "x-twice").SelectMany(v => v.Split(", ")));
        Assert.Equal("", Value(head, "x-empty"));
        Assert.DoesNotContain("user-agent", head, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("traceparent", head, StringComparison.OrdinalIgnoreCase);
    }

    [Theory]
    [InlineData("GET", null)]
    [InlineData("HEAD", null)]
    [InlineData("OPTIONS", null)]
    [InlineData("POST", "0")]
    [InlineData("DELETE", null)]
    [InlineData("PURGE", "0")]
    public async Task Any_method_passes(string method, string? contentLength)
    {
        var (head, _) = await SeenAsync("", method: method);
        Assert.StartsWith(method + " /", head, StringComparison.Ordinal);
        Assert.Equal(contentLength, Values(head, "content-length").SingleOrDefault());
        Assert.Empty(Values(head, "transfer-encoding"));
    }

    [Fact]
    public async Task The_response_names_the_backend_and_allows_any_origin()
    {
        var head = await AnsweredAsync("Server: node\r\nX-Plane-Backend-Id: forged\r\nX-Own: 1\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-Bytes: \u00e9\r\n");
        Assert.Equal("room-1", Value(head, "x-plane-backend-id"));
        Assert.Equal("plane", Value(head, "server"));
        Assert.Equal("1", Value(head, "x-own"));
        Assert.Equal(["a=1", "b=2"], Values(head, "set-cookie"));
        Assert.Equal("\u00e9", Value(head, "x-bytes"));
        Assert.Equal("*", Value(head, "access-control-allow-origin"));
        Assert.Equal("*", Value(head, "access-control-allow-methods"));
        Assert.Equal("*, Authorization", Value(head, "access-control-allow-headers"));
    }

    [Fact]
    public async Task A_backend_that_sets_any_cors_header_is_left_to_itself()
    {
        var head = await AnsweredAsync("Access-Control-Max-Age: 5\r\n");
        Assert.Single(head.Split("\r\n"), line => line.StartsWith("access-control-", StringComparison.OrdinalIgnoreCase));
    }

    [Fact]
    public async Task What_concerns_the_backends_hop_alone_is_not_passed_back()
    {
        var head = await AnsweredAsync(
            "Connection: keep-alive, X-Hop\r\nX-Hop: hop\r\nKeep-Alive: timeout=hop\r\nProxy-Authenticate: hop\r\nUpgrade: hop\r\nTE: hop\r\n"
            + "Proxy-Authentication-Info: hop\r\n");
        Assert.DoesNotContain("hop", head, StringComparison.OrdinalIgnoreCase);
    }

    [Theory]
    [InlineData("Alt-Svc: h3=\":4433\"; ma=31536000; persist=1")]
    [InlineData("NEL: {\"report_to\":\"x\",\"max_age\":31536000,\"include_subdomains\":true,\"success_fraction\":1.0}")]
    [InlineData("Clear-Site-Data: \"cookies\"")]
    [InlineData("Strict-Transport-Security: max-age=63072000; includeSubDomains")]
    public async Task No_backend_speaks_for_the_whole_origin(string header) =>
        Assert.Empty(Values(await AnsweredAsync(header + "\r\n"), header.Split(':')[0]));

    [Theory]
    [InlineData("HTTP/1.1 404 Not Here\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 404 Not Here\r\n")]
    [InlineData("HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 302 Found\r\n")]
    [InlineData("HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 204 No Content\r\n")]
    [InlineData("HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n", "HTTP/1.1 304 Not Modified\r\n")]
    [InlineData("HTTP/1.1 599 Odd\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 599 Odd\r\n")]
    public async Task Any_status_passes(string response, string line)
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = RawBackend.Answering(response);
        using var client = await proxy.ConnectAsync();
        var answer = await client.TalkAsync($"GET /{proxy.Route(backend.Address).Value}/ HTTP/1.1\r\nHost: {TestProxy.Cluster}\r\nConnection: close\r\n\r\n");
        Assert.StartsWith(line, answer, StringComparison.Ordinal);
    }

    private static IEnumerable<string> Values(string head, string name) => head.Split("\r\n")
        .Where(l => l.StartsWith(name + ":", StringComparison.OrdinalIgnoreCase))
        .Select(l => l[(name.Length + 1)..].Trim(' '));

    private static string Value(string head, string name) => Assert.Single(Values(head, name));

    private static async Task<(string Head, BearerToken Token)> SeenAsync(string headers, Func<Route, Route>? with = null, string method = "GET")
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = RawBackend.Answering(method == "HEAD" ? "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" : "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        var token = proxy.Route(backend.Address, r =>
        {
            var named = r with { Backend = new BackendIdentity(BackendName.Parse("room-1"), new FencingToken(7)) };
            return with?.Invoke(named) ?? named;
        });
        using var client = await proxy.ConnectAsync();
        var close = headers.Contains("Connection:", StringComparison.Ordinal) ? "" : "Connection: close\r\n";
        await client.Connection.WriteAsync($"{method} /{token.Value}/a%2Fb HTTP/1.1\r\nHost: {TestProxy.Cluster}\r\n{close}{headers}\r\n");
        var answer = await client.Connection.ReadUntilAsync("\r\n\r\n");
        Assert.StartsWith("HTTP/1.1 200 ", answer, StringComparison.Ordinal);
        return (Assert.Single(backend.Requests), token);
    }

    private static async Task<string> AnsweredAsync(string headers)
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = RawBackend.Answering($"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n{headers}\r\nok");
        var token = proxy.Route(backend.Address, r => r with { Backend = new BackendIdentity(BackendName.Parse("room-1"), new FencingToken(7)) });
        using var client = await proxy.ConnectAsync();
        var answer = await client.TalkAsync($"GET /{token.Value}/ HTTP/1.1\r\nHost: {TestProxy.Cluster}\r\nConnection: close\r\n\r\n");
        return answer[..answer.IndexOf("\r\n\r\n", StringComparison.Ordinal)].Replace("Connection: close\r\n", "", StringComparison.Ordinal);
    }
}
