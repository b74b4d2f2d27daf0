using System.Diagnostics;
using System.Text.Json.Nodes;

namespace Plane.Tests.Telemetry;

/// <summary>One connect to a new key, as a collector sees it.</summary>
public sealed class TraceTests(TracedInstallation plane) : IClassFixture<TracedInstallation>
{
    [Fact]
    public void A_connect_to_a_new_key_is_one_trace_over_controller_drone_proxy_and_backend()
    {
        var trace = Trace();
        Assert.Equal(["plane-controller", "plane-drone", "plane-proxy"], trace.Select(s => s.Service).Distinct().Order());

        var request = Single("plane-controller", "Microsoft.AspNetCore", "POST /ctrl/connect");
        Assert.Equal(TracedInstallation.ClientSpan, request.ParentId);
        var connect = Single("plane-controller", "Plane", "connect");
        Assert.Equal(request.SpanId, connect.ParentId);
        Assert.Equal(("spawned", plane.Of("backend_id")), (connect.Attributes["plane.outcome"], connect.Attributes["plane.backend"]));
        Assert.Contains(trace, s => s.Source == "Npgsql" && s.ParentId == connect.SpanId && s.Attributes["db.query.text"].Contains("plane.acquire_once", StringComparison.Ordinal));

        // By the action's row.
        var start = Single("plane-drone", "Plane", "start backend");
        Assert.Equal(connect.SpanId, start.ParentId);
        Assert.Equal(["prepare", "start", "take port", "wait until ready"], trace.Where(s => s.ParentId == start.SpanId).Select(s => s.Name).Order());

        // With the calls of the container engine.
        var started = Single("plane-drone", "Plane", "start");
        Assert.Contains(trace, s => s.Source == "System.Net.Http" && s.ParentId == started.SpanId);

        // Both ends of the proxy's call to the cluster.
        var resolve = Single("plane-proxy", "Plane", "resolve route");
        var asked = trace.First(s => s.Source == "Microsoft.Orleans.Application" && s.ParentId == resolve.SpanId);
        Assert.Contains(trace, s => s.Service == "plane-controller" && s.Source == "Microsoft.Orleans.Application" && s.ParentId == asked.SpanId);

        var forward = trace.Where(s => s.Name == "forward").OrderBy(s => s.Start).First();
        Assert.Equal($"00-{TracedInstallation.ClientTrace}-{forward.SpanId}-01", Header(plane.OverAccepting, "traceparent"));
        Assert.Equal("vendor=1", Header(plane.OverAccepting, "tracestate"));
    }

    [Fact]
    public void Each_span_of_the_trace_has_its_parent_in_it()
    {
        var trace = Trace();
        var known = trace.Select(s => s.SpanId).Append(TracedInstallation.ClientSpan).ToHashSet();
        Assert.All(trace, s => Assert.Contains(s.ParentId, known));
        Assert.All(trace, s => Assert.True(s.Start < s.End, s.Name));
    }

    [Fact]
    public async Task The_trace_can_be_drawn()
    {
        // The other requests of the fixture are left out: the application connects once and asks once.
        var first = Trace().Where(s => s.Name == "forward").MinBy(s => s.Start)!;
        var trace = Trace().Where(s => s.Start <= first.End).ToList();
        await using var context = await Browser.NewContextAsync(new() { ViewportSize = new() { Width = 1210, Height = 200 } });
        var page = await context.NewPageAsync();
        await page.SetContentAsync(TracePicture.Html(trace));
        Assert.Equal(trace.Count, await page.Locator(".row").CountAsync());
        if (Browser.Screenshots is { } directory)
        {
            await page.ScreenshotAsync(new() { Path = Path.Combine(directory, "trace.png"), FullPage = true });
        }
    }

    [Fact]
    public void Polls_heartbeats_and_sweeps_are_not_recorded()
    {
        Assert.All(plane.Spans.Where(s => s.ParentId.Length == 0), s => Assert.Contains(s.Source, (string[])["Plane", "Microsoft.AspNetCore"]));
        Assert.DoesNotContain(plane.Spans, s => s.Name.Contains("ReadActions", StringComparison.Ordinal) || s.Name.Contains("Heartbeat", StringComparison.Ordinal));
    }

    [Fact]
    public void No_token_secret_or_url_is_in_what_was_exported()
    {
        Assert.NotEmpty(plane.Spans);
        var token = plane.Of("token");
        foreach (var secret in (string[])[token, plane.Of("secret_token"), TracedInstallation.ControlToken, "hidden-in-query", BearerToken.Parse(token).Hash()])
        {
            Assert.DoesNotContain(secret, plane.Wire, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("plane.controller.connects")]
    [InlineData("http.server.request.duration")]
    [InlineData("kestrel.active_connections")]
    [InlineData("orleans-")]
    [InlineData("db.client.")]
    [InlineData("dotnet.gc.")]
    public void The_frameworks_metrics_are_sent_beside_Planes(string name) => Assert.Contains(name, plane.Wire, StringComparison.Ordinal);

    [Fact]
    public void A_proxy_begins_a_trace_of_its_own_where_it_is_not_told_to_go_on_with_the_clients()
    {
        var backends = Header(plane.OverDefault, "traceparent")!;
        Assert.True(ActivityContext.TryParse(backends, null, out var context));
        Assert.NotEqual(TracedInstallation.Hostile, context.TraceId.ToHexString());
        Assert.Null(Header(plane.OverDefault, "tracestate"));
        Assert.DoesNotContain(plane.Spans, s => s.TraceId == TracedInstallation.Hostile);
        Assert.Contains(plane.Spans, s => s.TraceId == context.TraceId.ToHexString() && s.Name == "forward");
    }

    [Fact]
    public void A_proxy_that_exports_nothing_takes_no_part_in_traces()
    {
        Assert.Equal(TracedInstallation.Parent(), Header(plane.OverSilent, "traceparent"));
        Assert.Equal("vendor=1", Header(plane.OverSilent, "tracestate"));
    }

    [Fact]
    public void What_a_hostile_client_names_as_its_trace_is_bounded()
    {
        Assert.All(plane.OfHostile, headers =>
        {
            Assert.True(ActivityContext.TryParse(Header(headers, "traceparent"), null, out _), headers.ToJsonString());
            Assert.True(Header(headers, "tracestate") is not { Length: > 256 });
        });
        Assert.All(plane.Spans.SelectMany(s => s.Attributes.Values), v => Assert.InRange(v.Length, 0, 2_048));
        Assert.Contains(plane.Spans.SelectMany(s => s.Attributes.Values), v => v.StartsWith("uuuu", StringComparison.Ordinal));
    }

    private static string? Header(JsonNode headers, string name) => (string?)headers[name]?[0];

    private List<ExportedSpan> Trace() => [.. plane.Spans.Where(s => s.TraceId == TracedInstallation.ClientTrace)];

    private ExportedSpan Single(string service, string source, string name)
    {
        var found = Trace().Where(s => s.Service == service && s.Source == source && s.Name == name).ToList();
        Assert.True(found.Count == 1, $"{found.Count} spans {name}:\n{string.Join('\n', Trace().OrderBy(s => s.Start).Select(s => $"{s.Service} {s.Source} {s.Name} {s.SpanId} < {s.ParentId}"))}");
        return found[0];
    }
}
