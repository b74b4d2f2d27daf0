using System.Net;
using System.Net.Http.Headers;
using Plane.Hosting;
using Plane.Testing;

namespace Plane.Tests.Silo;

public sealed class PublicRoutesTests(ControllerFixture fixture) : IClassFixture<ControllerFixture>
{
    private const string AllowOrigin = "Access-Control-Allow-Origin";

    private readonly Controller _controller = fixture.Controller;

    [Theory, InlineData("/pub/live"), InlineData("/pub/health")]
    public async Task A_load_balancer_may_ask_for_the_head_alone(string path)
    {
        using var request = new HttpRequestMessage(HttpMethod.Head, path);
        using var response = await _controller.Http.SendAsync(request);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
    }

    [Fact]
    public async Task Alive_and_healthy_say_ok()
    {
        Assert.Equal("""{"status":"ok"}""", (await _controller.GetAsync("/pub/live")).Expect(HttpStatusCode.OK).Text);
        Assert.Equal("""{"status":"ok"}""", (await _controller.GetAsync("/pub/health")).Expect(HttpStatusCode.OK).Text);
    }

    [Fact]
    public async Task The_controllers_status_tells_its_version()
    {
        var status = (await _controller.GetAsync("/ctrl/status")).Expect(HttpStatusCode.OK).Json!.AsObject();
        Assert.Equal(["status", "version", "hash"], status.Select(p => p.Key));
        Assert.Equal(PlaneVersion.Current.Version, status["version"]!.GetValue<string>());
    }

    [Fact]
    public async Task Without_its_database_the_controller_is_alive_but_not_healthy()
    {
        await using var controller = await Controller.StartAsync();
        await controller.AddDroneAsync();
        var id = (await controller.ConnectAsync("k"))["backend_id"]!.GetValue<string>();
        controller.Faults.Away();

        (await controller.GetAsync("/pub/live")).Expect(HttpStatusCode.OK);
        (await controller.GetAsync("/pub/health")).ExpectError(HttpStatusCode.InternalServerError, "DatabaseError");
        (await controller.GetAsync("/ctrl/status")).ExpectError(HttpStatusCode.InternalServerError, "DatabaseError");
        foreach (var (method, path) in ((string, string)[])
            [
                ("GET", $"/pub/b/{id}/status"), ("GET", $"/pub/b/{id}/status-stream"), ("GET", "/ctrl/backends"), ("GET", $"/ctrl/b/{id}"),
                ("POST", $"/ctrl/b/{id}/soft-terminate"), ("POST", $"/ctrl/b/{id}/prevent-renew"), ("GET", $"/ctrl/c/{Controller.Cluster}/state"),
                ("POST", $"/ctrl/c/{Controller.Cluster}/d/dr-x/drain"),
            ])
        {
            var answer = (await controller.SendAsync(new HttpMethod(method), path)).ExpectError(HttpStatusCode.ServiceUnavailable, "DatabaseError");
            Assert.NotNull(answer.Headers.RetryAfter);
        }

        (await controller.PostAsync("/ctrl/connect", Requests.Connect("k"))).ExpectError(HttpStatusCode.ServiceUnavailable, "DatabaseError");

        controller.Faults.Heal();
        await Eventually.SeenAsync(_ => controller.GetAsync("/pub/health"), a => a.Status == HttpStatusCode.OK, "healthy again");
        (await controller.PostAsync("/ctrl/connect", Requests.Connect("k"))).Expect(HttpStatusCode.OK);
    }

    [Fact]
    public async Task An_unforeseen_failure_is_a_500_whose_id_is_in_the_log()
    {
        await using var controller = await Controller.StartAsync();
        controller.Faults.Instead = (member, _) =>
            member == "ListBackendsAsync" ? throw new InvalidOperationException("a secret detail of System.Internals") : null;
        var answer = (await controller.GetAsync("/ctrl/backends")).ExpectError(HttpStatusCode.InternalServerError, "Other");
        Assert.DoesNotContain("secret detail", answer.Text, StringComparison.Ordinal);
        Assert.Contains(answer.Json!["id"]!.GetValue<string>(), controller.Log.Text, StringComparison.Ordinal);
        Assert.Contains("a secret detail", controller.Log.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_refusals_id_is_in_the_log()
    {
        var answer = await _controller.GetAsync("/pub/b/nobody/status");
        Assert.Contains(answer.Json!["id"]!.GetValue<string>(), _controller.Log.Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/pub/live", HttpStatusCode.OK)]
    [InlineData("/pub/b/unknown/status", HttpStatusCode.NotFound)]
    [InlineData("/pub/no/such/route", HttpStatusCode.NotFound)]
    public async Task Any_origin_may_read_what_is_public(string path, HttpStatusCode status)
    {
        var answer = (await _controller.GetAsync(path, ("origin", "https://app.example"))).Expect(status);
        Assert.Equal("*", answer.Headers.GetValues(AllowOrigin).Single());
    }

    [Theory]
    [InlineData("/pub/b/x/status", "GET")]
    [InlineData("/pub/b/x/status-stream", "POST")]
    public async Task A_preflight_allows_get_and_post_with_content_type(string path, string method)
    {
        var answer = await PreflightAsync(path, method);
        Assert.True((int)answer.Status is 200 or 204, answer.Status.ToString());
        Assert.Equal("*", answer.Headers.GetValues(AllowOrigin).Single());
        Assert.Equal(["GET", "POST"], Values(answer.Headers, "Access-Control-Allow-Methods"));
        Assert.Equal(["content-type"], Values(answer.Headers, "Access-Control-Allow-Headers"));
    }

    [Fact]
    public async Task Nothing_under_ctrl_is_for_other_origins()
    {
        Assert.False((await _controller.GetAsync("/ctrl/status", ("origin", "https://app.example"))).Headers.Contains(AllowOrigin));
        Assert.False((await PreflightAsync("/ctrl/connect", "POST")).Headers.Contains(AllowOrigin));
    }

    [Fact]
    public async Task Metrics_are_told_as_prometheus_text()
    {
        await _controller.GetAsync("/pub/b/nobody/status");
        await Eventually.SeenAsync(
            async _ => (await _controller.GetAsync("/metrics")).Expect(HttpStatusCode.OK).Text,
            text => text.Contains("plane_controller_http_errors", StringComparison.Ordinal) && text.Contains("dotnet_", StringComparison.Ordinal),
            "metrics of plane and of the runtime");
    }

    [Fact]
    public async Task Metrics_have_a_port_of_their_own_where_configured()
    {
        await using var controller = await Controller.StartAsync(o => o.MetricsPort = 0);
        (await controller.GetAsync("/metrics")).ExpectError(HttpStatusCode.NotFound, "NotFound");
        var line = Assert.Single(controller.Ready.Lines);
        var address = line.Split(' ').Single(p => p.StartsWith("metrics=", StringComparison.Ordinal))["metrics=".Length..];
        using var http = new HttpClient();
        Assert.Contains("dotnet_", await http.GetStringAsync(new Uri($"{address}/metrics")), StringComparison.Ordinal);
    }

    private Task<Answer> PreflightAsync(string path, string method) => _controller.SendAsync(
        HttpMethod.Options,
        path,
        null,
        ("origin", "https://app.example"),
        ("access-control-request-method", method),
        ("access-control-request-headers", "content-type"));

    private static IEnumerable<string> Values(HttpResponseHeaders headers, string name) =>
        headers.GetValues(name).SelectMany(v => v.Split(',', StringSplitOptions.TrimEntries)).Order(StringComparer.Ordinal);
}
