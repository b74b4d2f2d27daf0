using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;

namespace Plane.Tests.Silo;

/// <summary>Nothing that comes in from outside makes more than a typed error that names its field.</summary>
public sealed class HostileInputTests(ControllerFixture fixture) : IClassFixture<ControllerFixture>
{
    private const string Ok = """{"executable":{"command":["/bin/true"]}}""";

    private readonly Controller _controller = fixture.Controller;

    /// <summary>A body, and what the message must begin with.</summary>
    public static TheoryData<string, string> Bodies { get; } = new()
    {
        { "", "the body is empty" },
        { " ", "the body is not valid JSON" },
        { "null", "the body must be a JSON object" },
        { "[]", "the body must be an object" },
        { "\"x\"", "the body must be an object" },
        { "1", "the body must be an object" },
        { "{", "the body is not valid JSON" },
        { "{}", "key is missing: give key, spawn_config or service" },
        { "{}x", "the body is not valid JSON" },
        { "{} {}", "the body is not valid JSON" },
        { """{"key":{"name":"a"},}""", "the body is not valid JSON" },
        { """{"key":{"name":"a"}/**/}""", "the body is not valid JSON" },
        { "\uFEFF{}", "the body is not valid JSON" },
        { """{"key":1}""", "key must be an object" },
        { """{"key":[]}""", "key must be an object" },
        { """{"key":{}}""", "key.name is missing" },
        { """{"key":{"name":null}}""", "key.name must be a string" },
        { """{"key":{"name":7}}""", "key.name must be a string" },
        { """{"key":{"name":""}}""", "key.name must not be empty" },
        { """{"key":{"name":"a\u0000b"}}""", "key.name must not have control characters" },
        { """{"key":{"name":"\ud800"}}""", "key.name must be a string of valid Unicode" },
        { """{"key":{"name":"a","namespace":null}}""", "key.namespace must be a string" },
        { """{"key":{"name":"a","tag":[]}}""", "key.tag must be a string" },
        { """{"key":{"name":"a","name":"b"}}""", "key.name is given twice" },
        { """{"key":{"name":"a"},"key":{"name":"b"}}""", "key is given twice" },
        { """{"key":{"name":"a"},"user":5}""", "user must be a string" },
        { """{"key":{"name":"a"},"user":"x\r\ny"}""", "user must not have control characters" },
        { """{"key":{"name":"a"},"auth":"x"}""", "auth must be an object" },
        { """{"key":{"name":"a"},"auth":{"a":"\udc00"}}""", "auth must be valid JSON" },
        { """{"key":{"name":"a"},"wait_seconds":-1}""", "wait_seconds must be from 0 to 20" },
        { """{"key":{"name":"a"},"auth":{"a":"\ud800"}}""", "auth must be valid JSON" },
        { """{"key":{"name":"a"},"wait_seconds":1e99}""", "wait_seconds must be a whole number" },
        { """{"spawn_config":{}}""", "spawn_config.executable is missing" },
        { """{"spawn_config":{"executable":null}}""", "spawn_config.executable must be an object" },
        { """{"spawn_config":{"executable":{}}}""", "spawn_config.executable must have an image or a command" },
        { """{"spawn_config":{"executable":{"image":""}}}""", "spawn_config.executable.image must not be empty" },
        { """{"spawn_config":{"executable":{"image":{"a":1}}}}""", "spawn_config.executable.image must be a string" },
        { """{"spawn_config":{"executable":{"image":"a b"}}}""", "spawn_config.executable.image must be an image reference" },
        { """{"spawn_config":{"executable":{"command":"x"}}}""", "spawn_config.executable.command must be an array" },
        { """{"spawn_config":{"executable":{"command":[]}}}""", "spawn_config.executable.command must not be empty" },
        { """{"spawn_config":{"executable":{"command":[1]}}}""", "spawn_config.executable.command[0] must be a string" },
        { """{"spawn_config":{"executable":{"command":["a",null]}}}""", "spawn_config.executable.command must be strings" },
        { """{"spawn_config":{"executable":{"command":["a\u0000"]}}}""", "spawn_config.executable.command must not have NUL" },
        { """{"spawn_config":{"executable":{"image":"a","pull_policy":"Sometimes"}}}""", "spawn_config.executable.pull_policy must be one of IfNotPresent" },
        { """{"spawn_config":{"executable":{"image":"a","pull_policy":1}}}""", "spawn_config.executable.pull_policy must be one of" },
        { """{"spawn_config":{"executable":{"image":"a","env":[]}}}""", "spawn_config.executable.env must be an object" },
        { """{"spawn_config":{"executable":{"image":"a","env":{"A":1}}}}""", "spawn_config.executable.env.A must be a string" },
        { """{"spawn_config":{"executable":{"image":"a","env":{"A":null}}}}""", "spawn_config.executable.env values must be strings" },
        { """{"spawn_config":{"executable":{"image":"a","env":{"A=B":"1"}}}}""", "spawn_config.executable.env names" },
        { """{"spawn_config":{"executable":{"image":"a","env":{"A":"1","A":"2"}}}}""", "spawn_config.executable.env.A is given twice" },
        { """{"spawn_config":{"executable":{"image":"a","env":{"<script>":1}}}}""", "spawn_config.executable.env.(name) must be a string" },
        { """{"spawn_config":{"executable":{"image":"a","env":{"\ud800":"1"}}}}""", "spawn_config.executable.env has a name with unpaired surrogates" },
        { """{"spawn_config":{"executable":{"image":"a","resource_limits":{"memory_limit_bytes":0}}}}""", "spawn_config.executable.resource_limits.memory_limit_bytes must be from 1" },
        { """{"spawn_config":{"executable":{"image":"a","resource_limits":{"memory_limit_bytes":99999999999999999999}}}}""", "spawn_config.executable.resource_limits.memory_limit_bytes must be a whole number" },
        { """{"spawn_config":{"executable":{"image":"a","resource_limits":{"cpu_period":"5"}}}}""", "spawn_config.executable.resource_limits.cpu_period must be a whole number" },
        { """{"spawn_config":{"executable":{"image":"a","mount":5}}}""", "spawn_config.executable.mount must be true or a relative path" },
        { """{"spawn_config":{"executable":{"image":"a","mount":"../../etc"}}}""", "spawn_config.executable.mount must not have empty, . or .. parts" },
        { """{"spawn_config":{"executable":{"image":"a","network_name":"host"}}}""", "spawn_config.executable.network_name must not be host" },
        { """{"spawn_config":{"executable":{"image":"a","credentials":{"username":"u"}}}}""", "spawn_config.executable.credentials.password is missing" },
        { """{"spawn_config":{"executable":{"image":"a"},"id":"UPPER"}}""", "spawn_config.id is not valid" },
        { """{"spawn_config":{"executable":{"image":"a"},"id":5}}""", "spawn_config.id is not valid" },
        { """{"spawn_config":{"executable":{"image":"a"},"pool":null}}""", "spawn_config.pool must be a string" },
        { """{"spawn_config":{"executable":{"image":"a"},"lifetime_limit_seconds":0}}""", "spawn_config.lifetime_limit_seconds must be from 1" },
        { """{"spawn_config":{"executable":{"image":"a"},"max_idle_seconds":2147483648}}""", "spawn_config.max_idle_seconds must be a whole number" },
        { """{"spawn_config":{"executable":{"image":"a"},"max_idle_seconds":1.5}}""", "spawn_config.max_idle_seconds must be a whole number" },
        { """{"spawn_config":{"executable":{"image":"a"},"use_static_token":"yes"}}""", "spawn_config.use_static_token must be true or false" },
        { """{"spawn_config":{"executable":{"image":"a"},"use_static_token":true},"user":"u"}""", "spawn_config.use_static_token cannot be combined" },
        { """{"spawn_config":{"executable":{"image":"a"},"subdomain":"-a"}}""", "spawn_config.subdomain must be" },
    };

    [Theory]
    [MemberData(nameof(Bodies))]
    public async Task A_body_that_does_not_fit_is_a_400_that_names_the_field(string body, string message)
    {
        var answer = (await _controller.PostAsync("/ctrl/connect", body)).ExpectError(HttpStatusCode.BadRequest, "InvalidRequest");
        Assert.StartsWith(message, answer.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Deep_nesting_is_refused()
    {
        var deep = string.Concat(Enumerable.Repeat("""{"auth":""", 100_000));
        (await _controller.PostAsync("/ctrl/connect", deep)).ExpectError(HttpStatusCode.BadRequest, "InvalidRequest");
        var unknown = $$"""{"x":{{new string('[', 50_000)}}{{new string(']', 50_000)}},"spawn_config":{{Ok}}}""";
        (await _controller.PostAsync("/ctrl/connect", unknown)).ExpectError(HttpStatusCode.BadRequest, "InvalidRequest");
    }

    [Fact]
    public async Task Bytes_that_are_no_utf8_are_refused()
    {
        var body = Encoding.Latin1.GetBytes("""{"key":{"name":"caf""" + "\u00e9" + "\"}}");
        var content = new ByteArrayContent(body) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } };
        var answer = (await _controller.PostAsync("/ctrl/connect", content)).ExpectError(HttpStatusCode.BadRequest, "InvalidRequest");
        Assert.Equal("the body is not valid UTF-8", answer.Message);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("text/plain")]
    [InlineData("application/x-www-form-urlencoded")]
    [InlineData("application/json; charset=utf-16")]
    public async Task A_body_that_is_not_declared_as_json_is_refused(string? type)
    {
        var content = new ByteArrayContent("{}"u8.ToArray());
        content.Headers.ContentType = type is null ? null : MediaTypeHeaderValue.Parse(type);
        (await _controller.PostAsync("/ctrl/connect", content)).ExpectError(HttpStatusCode.UnsupportedMediaType, "InvalidRequest");
    }

    /// <summary>The answer is there before the body is sent: a client that is still sending may find the connection closed instead of reading it.</summary>
    private static readonly (string Name, string Value) s_askFirst = ("Expect", "100-continue");

    [Fact]
    public async Task A_body_over_a_mebibyte_is_a_413()
    {
        var body = new StringContent(new string(' ', 1024 * 1024) + "{}", Encoding.UTF8, "application/json");
        (await _controller.PostAsync("/ctrl/connect", body, s_askFirst)).ExpectError(HttpStatusCode.RequestEntityTooLarge, "PayloadTooLarge");
    }

    [Fact]
    public async Task A_chunked_body_over_a_mebibyte_is_a_413_too()
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/ctrl/connect")
        {
            Content = new StreamContent(new MemoryStream(Encoding.ASCII.GetBytes(new string(' ', (1024 * 1024) + 1)))),
        };
        request.Headers.TransferEncodingChunked = true;
        request.Headers.ExpectContinue = true;
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        using var response = await _controller.Http.SendAsync(request);
        (await Answer.ReadAsync(response)).ExpectError(HttpStatusCode.RequestEntityTooLarge, "PayloadTooLarge");
    }

    [Fact]
    public async Task A_large_body_is_a_413_even_where_none_is_read()
    {
        var body = new StringContent(new string(' ', (1024 * 1024) + 1), Encoding.UTF8, "application/json");
        (await _controller.PostAsync("/ctrl/b/unknown/soft-terminate", body, s_askFirst)).ExpectError(HttpStatusCode.RequestEntityTooLarge, "PayloadTooLarge");
    }

    [Fact]
    public async Task A_body_of_just_a_mebibyte_is_read()
    {
        var json = Requests.Connect(Requests.Unique("big")).ToJsonString();
        var answer = await _controller.PostAsync("/ctrl/connect", new string(' ', (1024 * 1024) - json.Length) + json);
        answer.Expect(HttpStatusCode.OK);
    }

    [Theory]
    [InlineData("GET", "/no-such-page", 404, "NotFound")]
    [InlineData("GET", "/nothing/here", 404, "NotFound")]
    [InlineData("GET", "/ctrl", 404, "NotFound")]
    [InlineData("GET", "/pub/b/x/nothing", 404, "NotFound")]
    [InlineData("GET", "/ctrl/connect", 405, "InvalidRequest")]
    [InlineData("DELETE", "/pub/health", 405, "InvalidRequest")]
    [InlineData("POST", "/pub/b/x/status", 405, "InvalidRequest")]
    [InlineData("GET", "/pub/b/UPPER/status", 404, "NotFound")]
    [InlineData("GET", "/pub/b/..%2f..%2fetc/status", 404, "NotFound")]
    [InlineData("GET", "/pub/b/%ed%a0%80/status", 404, "NotFound")]
    [InlineData("GET", "/pub/c/not%20a%20host/b/x/status", 400, "InvalidClusterName")]
    [InlineData("GET", "/ctrl/c/a..b/state", 400, "InvalidClusterName")]
    [InlineData("POST", "/ctrl/c/test.example:9090/d/nodrone/drain", 404, "NotFound")]
    [InlineData("POST", "/ctrl/c/test.example:9090/d/dr-none/drain?terminate=maybe", 400, "InvalidRequest")]
    [InlineData("GET", "/ctrl/backends?limit=0", 400, "InvalidRequest")]
    [InlineData("GET", "/ctrl/backends?limit=1001", 400, "InvalidRequest")]
    [InlineData("GET", "/ctrl/backends?limit=+5", 400, "InvalidRequest")]
    [InlineData("GET", "/ctrl/backends?limit=99999999999999", 400, "InvalidRequest")]
    [InlineData("GET", "/ctrl/backends?limit=1&limit=2", 400, "InvalidRequest")]
    [InlineData("GET", "/ctrl/backends?status=Ready", 400, "InvalidRequest")]
    [InlineData("GET", "/ctrl/backends?drone=x", 400, "InvalidRequest")]
    [InlineData("GET", "/ctrl/backends?cluster=a%20b", 400, "InvalidClusterName")]
    [InlineData("GET", "/ctrl/backends?key=%00", 400, "InvalidRequest")]
    [InlineData("GET", "/ctrl/backends?cursor=rubbish", 400, "InvalidRequest")]
    public async Task A_strange_request_gets_a_typed_error(string method, string path, int status, string kind) =>
        (await _controller.SendAsync(new HttpMethod(method), path)).ExpectError((HttpStatusCode)status, kind);

    [Fact]
    public async Task An_endless_cursor_is_refused() =>
        (await _controller.GetAsync("/ctrl/backends?cursor=" + new string('a', 600))).ExpectError(HttpStatusCode.BadRequest, "InvalidRequest");

    [Theory]
    [InlineData("GET / HTTP/1.1\r\n\r\n")]
    [InlineData("GET /pub/live HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n")]
    [InlineData("GET /pub/live HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ncontent-length: 5\r\n\r\nabc")]
    [InlineData("POST /ctrl/connect HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n")]
    [InlineData("NONSENSE\r\n\r\n")]
    [InlineData("GET /pub/b/%00/status HTTP/1.1\r\nhost: a\r\n\r\n")]
    public async Task Malformed_http_is_refused_and_the_server_lives(string request)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, _controller.Http.BaseAddress!.Port);
        await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes(request));
        using var reader = new StreamReader(client.GetStream(), Encoding.ASCII);
        Assert.StartsWith("HTTP/1.1 400", await reader.ReadLineAsync() ?? "(closed)", StringComparison.Ordinal);
        (await _controller.GetAsync("/pub/live")).Expect(HttpStatusCode.OK);
    }

    [Fact]
    public async Task A_head_over_32_kib_is_refused()
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/pub/live");
        for (var i = 0; i < 5; i++)
        {
            request.Headers.Add($"x-{i}", new string('a', 7_000));
        }

        using var response = await _controller.Http.SendAsync(request);
        Assert.Equal(HttpStatusCode.RequestHeaderFieldsTooLarge, response.StatusCode);
    }

    [Theory]
    [InlineData("""{"backend_id":"x","user":null}""", "user must be a string")]
    [InlineData("""{"backend_id":"x","user":"u","token":"t"}""", "user cannot be combined with token: give one of them")]
    [InlineData("""{"backend_id":"x","token":"short"}""", "token is not valid")]
    [InlineData("""{"backend_id":"X"}""", "backend_id is not valid")]
    [InlineData("""{"user":"u"}""", "backend_id is missing")]
    public async Task A_revoke_that_does_not_fit_is_refused(string body, string message)
    {
        var answer = (await _controller.PostAsync("/ctrl/b/revoke", body)).ExpectError(HttpStatusCode.BadRequest, "InvalidRequest");
        Assert.StartsWith(message, answer.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_refused_connect_leaves_nothing_behind()
    {
        var key = Requests.Unique("half");
        var request = Requests.Connect(key);
        request.Executable()["env"] = new JsonObject { ["A"] = 5 };
        (await _controller.PostAsync("/ctrl/connect", request)).ExpectError(HttpStatusCode.BadRequest, "InvalidRequest");
        var list = (await _controller.GetAsync($"/ctrl/backends?key={key}")).Expect(HttpStatusCode.OK);
        Assert.Empty(list.Json!["backends"]!.AsArray());
    }
}
