using System.Net;
using System.Text.Json.Nodes;
using Microsoft.OpenApi;

namespace Plane.Tests.Silo;

public sealed class OpenApiTests(ControllerFixture fixture) : IClassFixture<ControllerFixture>
{
    private static readonly string[] Documented =
    [
        "POST /ctrl/connect",
        "POST /ctrl/b/{backend}/soft-terminate", "POST /ctrl/b/{backend}/hard-terminate",
        "POST /ctrl/c/{cluster}/b/{backend}/soft-terminate", "POST /ctrl/c/{cluster}/b/{backend}/hard-terminate",
        "POST /ctrl/b/revoke", "POST /ctrl/b/{backend}/prevent-renew", "GET /ctrl/b/{backend}", "GET /ctrl/backends",
        "GET /ctrl/clusters", "GET /ctrl/c/{cluster}/busiest", "GET /ctrl/b/{backend}/logs", "GET /ctrl/b/{backend}/usage", "GET /ctrl/events",
        "POST /ctrl/c/{cluster}/d/{drone}/drain", "POST /ctrl/c/{cluster}/d/{drone}/undrain", "GET /ctrl/c/{cluster}/state",
        "GET /ctrl/s", "PUT /ctrl/s/{service}", "GET /ctrl/s/{service}", "DELETE /ctrl/s/{service}", "GET /ctrl/s/{service}/url",
        "GET /ctrl/s/{service}/keys", "POST /ctrl/s/{service}/keys", "DELETE /ctrl/s/{service}/keys/{kid}",
        "GET /ctrl/c/{cluster}/dns/txt", "POST /ctrl/c/{cluster}/dns/txt", "GET /ctrl/status",
        "GET /pub/health", "GET /pub/live",
        "GET /pub/b/{backend}/status", "GET /pub/c/{cluster}/b/{backend}/status",
        "GET /pub/b/{backend}/status-stream", "GET /pub/c/{cluster}/b/{backend}/status-stream",
    ];

    private static readonly Dictionary<string, string[]> s_query = new()
    {
        ["GET /ctrl/backends"] = ["cluster", "cursor", "drone", "key", "limit", "service", "status"],
        ["GET /ctrl/b/{backend}/logs"] = ["after", "follow", "since", "stream", "tail"],
        ["GET /ctrl/c/{cluster}/busiest"] = ["limit"],
        ["GET /ctrl/events"] = ["after", "cluster", "limit"],
        ["POST /ctrl/c/{cluster}/d/{drone}/drain"] = ["terminate"],
        ["DELETE /ctrl/s/{service}"] = ["keep"],
        ["GET /ctrl/s/{service}/url"] = ["cluster", "key", "namespace"],
    };

    private readonly Controller _controller = fixture.Controller;

    [Fact]
    public async Task The_description_is_valid_and_has_every_documented_route()
    {
        var answer = (await _controller.GetAsync("/openapi.json")).Expect(HttpStatusCode.OK);
        var read = OpenApiDocument.Parse(answer.Text, "json");
        Assert.Empty(read.Diagnostic!.Errors.Select(e => e.ToString()));
        Assert.Empty(read.Diagnostic.Warnings.Select(e => e.ToString()));
        Assert.Equal(Documented.Order(StringComparer.Ordinal), (await RoutesAsync(_controller)).Select(r => $"{r.Method} {r.Path}").Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task The_schemas_say_what_is_on_the_wire()
    {
        var schemas = (await _controller.GetAsync("/openapi.json")).Json!["components"]!["schemas"]!;
        Assert.Equal(["auth", "key", "request_id", "service", "spawn_config", "user", "wait_seconds"], Properties(schemas["ConnectRequest"]!).Order(StringComparer.Ordinal));
        Assert.Equal(
            ["backend_id", "spawned", "status", "token", "url", "subdomain", "secret_token", "status_url", "drone", "key", "browser_url", "service_url"],
            Properties(schemas["ConnectResponse"]!));
        Assert.Equal(["id", "kind", "message", "output_tail"], Properties(schemas["PlaneError"]!));
        Assert.Equal("string", Resolve(schemas, schemas["ConnectResponse"]!["properties"]!["backend_id"]!)["type"]!.GetValue<string>());
        var fencing = Resolve(schemas, schemas["KeyInfo"]!["properties"]!["fencing_token"]!);
        Assert.Equal("integer", fencing["type"]!.GetValue<string>());
        var time = Resolve(schemas, schemas["StatusEntry"]!["properties"]!["time"]!);
        Assert.Equal("integer", time["type"]!.GetValue<string>());
        var statuses = Resolve(schemas, schemas["StatusEntry"]!["properties"]!["status"]!)["enum"]!.AsArray().Select(v => v!.GetValue<string>());
        Assert.Equal(["scheduled", "loading", "starting", "waiting", "ready", "terminating", "hard-terminating", "terminated"], statuses);
    }

    [Fact]
    public async Task Every_control_route_documents_its_errors()
    {
        var paths = (await _controller.GetAsync("/openapi.json")).Json!["paths"]!.AsObject();
        foreach (var (path, operations) in paths.Where(p => p.Key.StartsWith("/ctrl", StringComparison.Ordinal)))
        {
            foreach (var (method, operation) in operations!.AsObject())
            {
                Assert.True(operation!["responses"]!["401"] is not null && operation["responses"]!["503"] is not null, $"{method} {path}");
                var variables = path.Split('/').Where(s => s.StartsWith('{')).Select(s => s.Trim('{', '}'));
                var parameters = operation["parameters"]?.AsArray().Where(p => p!["in"]!.GetValue<string>() == "path").Select(p => p!["name"]!.GetValue<string>());
                Assert.Equal(variables.Order(), (parameters ?? []).Order());
            }
        }

        Assert.Contains("KeyHeld", paths["/ctrl/connect"]!["post"]!["responses"]!["409"]!["description"]!.GetValue<string>(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Every_query_parameter_is_described()
    {
        var paths = (await _controller.GetAsync("/openapi.json")).Json!["paths"]!.AsObject();
        foreach (var (path, operations) in paths)
        {
            foreach (var (method, operation) in operations!.AsObject())
            {
                var described = operation!["parameters"]?.AsArray().Where(p => p!["in"]!.GetValue<string>() == "query").ToArray() ?? [];
                Assert.Equal(
                    s_query.GetValueOrDefault($"{method.ToUpperInvariant()} {path}", []), described.Select(p => p!["name"]!.GetValue<string>()).Order(StringComparer.Ordinal));
                Assert.All(described, p => Assert.False(p!["required"]?.GetValue<bool>() ?? false));
            }
        }

        var logs = paths["/ctrl/b/{backend}/logs"]!["get"]!["parameters"]!.AsArray();
        string TypeOf(string name) => logs.Single(p => p!["name"]!.GetValue<string>() == name)!["schema"]!["type"]!.GetValue<string>();
        Assert.Equal(("integer", "boolean", "string"), (TypeOf("tail"), TypeOf("follow"), TypeOf("stream")));
    }

    [Theory]
    [InlineData("/ctrl/b/abc/logs", "tail", "since", "after", "follow", "stream")]
    [InlineData("/ctrl/events", "after", "limit")]
    [InlineData("/ctrl/c/test.example/busiest", "limit")]
    [InlineData("/ctrl/s/abc/url", "key", "namespace", "cluster")]
    public async Task A_parameter_that_is_given_twice_is_refused(string path, params string[] names)
    {
        foreach (var name in names)
        {
            var answer = (await _controller.GetAsync($"{path}?{name}=1&{name}=2")).ExpectError(HttpStatusCode.BadRequest, "InvalidRequest");
            Assert.Equal($"{name} is given twice", answer.Message);
        }
    }

    internal static async Task<IReadOnlyList<(string Method, string Path)>> RoutesAsync(Controller controller)
    {
        var description = (await controller.GetAsync("/openapi.json")).Expect(HttpStatusCode.OK).Json!;
        return [.. description["paths"]!.AsObject().SelectMany(p => p.Value!.AsObject().Select(m => (m.Key.ToUpperInvariant(), p.Key)))];
    }

    private static IEnumerable<string> Properties(JsonNode schema) => schema["properties"]!.AsObject().Select(p => p.Key);

    private static JsonNode Resolve(JsonNode schemas, JsonNode schema) =>
        schema["$ref"] is { } reference ? schemas[reference.GetValue<string>().Split('/')[^1]]! : schema;
}
