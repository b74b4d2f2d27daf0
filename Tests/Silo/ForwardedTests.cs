using System.Net;
using Plane.Testing;

namespace Plane.Tests.Silo;

/// <summary>What load balancers say of a request is taken from networks that the operator trusts, and from no other.</summary>
public sealed class ForwardedTests : IDisposable
{
    private const string Token = "a-very-secret-control-token";

    private readonly TempDirectory _directory = new();

    [Theory]
    [InlineData("https://plane.example", "127.0.0.0/8")]
    [InlineData("https://plane.example", "10.0.0.0/8", "127.0.0.1")]
    [InlineData(null, "10.0.0.0/8", "::1")]
    [InlineData(null)]
    public async Task A_status_url_begins_with_what_a_trusted_balancer_was_asked_by(string? expected, params string[] trusted)
    {
        await File.WriteAllTextAsync(_directory["token"], Token);
        await using var controller = await Controller.StartAsync(o => (o.TrustedProxies, o.CtrlTokenFile) = (trusted, _directory["token"]));
        await controller.AddDroneAsync();
        var answer = await controller.PostAsync(
            "/ctrl/connect", Requests.Connect("k"),
            ("authorization", $"Bearer {Token}"), ("x-forwarded-proto", "https"), ("x-forwarded-host", "plane.example"), ("x-forwarded-for", "192.0.2.7"));
        var begin = expected ?? controller.Http.BaseAddress!.GetLeftPart(UriPartial.Authority);
        Assert.StartsWith($"{begin}/pub/b/", (string?)answer.Expect(HttpStatusCode.OK).Json!["status_url"], StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true, "x-forwarded-for", "127.0.0.7")]
    [InlineData(false, "x-forwarded-for", "192.0.2.7")]
    [InlineData(true, "x-forwarded-host", "localhost")]
    [InlineData(false, "x-forwarded-host", "evil.example")]
    [InlineData(false, "x-forwarded-host", "localhost", "evil.example")]
    [InlineData(false, "x-original-host", "evil.example")]
    public async Task Behind_a_trusted_balancer_only_this_machine_needs_no_authorization(bool passes, string name, string value, string? host = null)
    {
        await using var controller = await Controller.StartAsync(o => o.TrustedProxies = ["127.0.0.0/8"]);
        var answer = await controller.GetAsync("/ctrl/status", host is null ? [(name, value)] : [(name, value), ("host", host)]);
        if (passes)
        {
            answer.Expect(HttpStatusCode.OK);
        }
        else
        {
            answer.ExpectError(HttpStatusCode.Unauthorized, "Unauthorized");
        }
    }

    [Fact]
    public async Task What_an_untrusted_caller_says_opens_and_closes_nothing()
    {
        await using var controller = await Controller.StartAsync(o => o.TrustedProxies = ["10.0.0.0/8"]);
        (await controller.GetAsync("/ctrl/status", ("x-forwarded-for", "192.0.2.7"))).Expect(HttpStatusCode.OK);
        (await controller.GetAsync("/ctrl/status", ("x-forwarded-host", "localhost"), ("host", "evil.example"))).ExpectError(HttpStatusCode.Unauthorized, "Unauthorized");
    }

    [Theory]
    [InlineData("192.0.2.7", "https", "plane.example", "127.0.0.0/8")]
    [InlineData("127.0.0.1", "http", null, "10.0.0.0/8")]
    public async Task Forward_auth_hears_of_the_caller_from_trusted_balancers_alone(string address, string scheme, string? host, params string[] trusted)
    {
        await using var auth = await AuthService.StartAsync();
        await using var controller = await Controller.StartAsync(o => (o.ForwardAuth, o.TrustedProxies) = (auth.Url, trusted));
        (await controller.GetAsync(
            "/ctrl/status",
            ("x-forwarded-for", "6.6.6.6, 192.0.2.7"), ("x-forwarded-proto", "https"), ("x-forwarded-host", "plane.example"), ("x-original-for", "6.6.6.6"))).Expect(HttpStatusCode.OK);
        var question = Assert.Single(auth.Asked);
        Assert.Equal(
            (address, scheme, host ?? controller.Http.BaseAddress!.Authority),
            (question.Headers["x-forwarded-for"], question.Headers["x-forwarded-proto"], question.Headers["x-forwarded-host"]));
        Assert.DoesNotContain("6.6.6.6", question.Headers.Values);
    }

    public void Dispose() => _directory.Dispose();
}
