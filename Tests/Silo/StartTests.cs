using System.Net;
using Microsoft.Extensions.Options;
using Plane.Hosting.Running;
using Plane.Hosting;
using Plane.Silo;
using Plane.Testing;

namespace Plane.Tests.Silo;

public sealed class StartTests
{
    [Fact]
    public async Task One_ready_line_tells_the_addresses()
    {
        await using var controller = await Controller.StartAsync(o => o.Name = ControllerName.Parse("co-test"));
        var line = Assert.Single(controller.Ready.Lines);
        Assert.StartsWith($"ready controller url={controller.Http.BaseAddress!.ToString().TrimEnd('/')} name=co-test", line, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--port")]
    [InlineData("--host")]
    [InlineData("--db")]
    [InlineData("--forward-auth")]
    [InlineData("--forward-auth-timeout")]
    [InlineData("--controller-url")]
    [InlineData("--ctrl-token-file")]
    [InlineData("--cleanup-min-age-days")]
    [InlineData("--metrics-port")]
    [InlineData("--lease-numbers")]
    [InlineData("--stream-keep-alive")]
    [InlineData("--max-status-streams")]
    public void A_bad_value_names_its_option(string option)
    {
        var options = new ControllerOptions { Db = "sqlite:/nowhere/plane.db" };
        _ = option switch
        {
            "--port" => (object)(options.Port = 70_000),
            "--host" => options.Host = "not an address",
            "--db" => options.Db = "mysql://user:geheim@host/x",
            "--forward-auth" => options.ForwardAuth = new Uri("ftp://x/"),
            "--forward-auth-timeout" => options.ForwardAuthTimeout = TimeSpan.Zero,
            "--controller-url" => options.ControllerUrl = new Uri("relative", UriKind.Relative),
            "--ctrl-token-file" => options.CtrlTokenFile = "/nowhere/token",
            "--cleanup-min-age-days" => options.CleanupMinAgeDays = -1,
            "--metrics-port" => options.MetricsPort = options.Port,
            "--lease-numbers" => options.LeaseNumbers = new LeaseOptions { Soft = TimeSpan.FromSeconds(1) },
            "--stream-keep-alive" => options.StreamKeepAlive = TimeSpan.Zero,
            _ => options.MaxStatusStreams = 0,
        };
        var problem = Assert.Single(Assert.Throws<OptionsValidationException>(() => SiloRole.Build(options, _ => { })).Failures);
        Assert.StartsWith(option, problem, StringComparison.Ordinal);
        Assert.DoesNotContain("geheim", problem, StringComparison.Ordinal);
    }

    [Fact]
    public void Lease_numbers_that_do_not_fit_are_named_with_their_flag_variable_and_value()
    {
        var options = new ControllerOptions { Db = "sqlite:/nowhere/plane.db", LeaseNumbers = new LeaseOptions { ProxySilent = TimeSpan.FromSeconds(10) } };
        Assert.Equal(
            "--lease-numbers-proxy-silent (PLANE__LEASE_NUMBERS__PROXY_SILENT) is '10s': proxy-silent must be at least 2 proxy-reports",
            Assert.Single(new ControllerOptionsValidator().Problems(options)));
    }

    [Theory]
    [InlineData("")]
    [InlineData("short")]
    [InlineData("with blanks in the middle of it")]
    public void A_bad_control_token_is_refused_without_showing_it(string token)
    {
        using var directory = new TempDirectory();
        File.WriteAllText(directory["token"], token);
        var problem = Assert.Single(new ControllerOptionsValidator().Problems(new ControllerOptions { CtrlTokenFile = directory["token"] }));
        Assert.StartsWith("--ctrl-token-file", problem, StringComparison.Ordinal);
        Assert.True(token.Length == 0 || !problem.Contains(token, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_database_that_refuses_ends_the_start_with_its_reason()
    {
        using var directory = new TempDirectory();
        await File.WriteAllTextAsync(directory["plane.db"], "this is a text file, and a long one, so that it cannot be taken for an empty database");
        var (code, error) = await RunAsync(Controller.Build(directory, new LogCapture(), new ReadyCapture(), new FaultyStore.Faults()));
        Assert.Equal(ExitCodes.Refused, code);
        Assert.StartsWith("plane: the database cannot be used:", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_taken_port_ends_the_start_and_says_so()
    {
        await using var first = await Controller.StartAsync();
        using var directory = new TempDirectory();
        var second = Controller.Build(
            directory, new LogCapture(), new ReadyCapture(), new FaultyStore.Faults(), o => o.Port = first.Http.BaseAddress!.Port);
        var (code, error) = await RunAsync(second);
        Assert.Equal(ExitCodes.Refused, code);
        Assert.Contains("in use", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_database_that_is_away_is_waited_for_and_the_port_says_so()
    {
        using var directory = new TempDirectory();
        var faults = new FaultyStore.Faults();
        faults.Away();
        var port = FreePort.Next();
        var ready = new ReadyCapture();
        await using var app = Controller.Build(directory, new LogCapture(), ready, faults, o => o.Port = port);
        var start = app.StartAsync();
        using var http = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{port}") };

        async Task<Answer> Get(string path)
        {
            using var response = await http.GetAsync(new Uri(path, UriKind.Relative));
            return await Answer.ReadAsync(response);
        }

        await Eventually.SeenAsync(_ => Get("/pub/live"), a => a.Status == HttpStatusCode.OK, "alive while waiting");
        (await Get("/pub/health")).ExpectError(HttpStatusCode.InternalServerError, "DatabaseError");
        (await Get("/ctrl/backends")).ExpectError(HttpStatusCode.ServiceUnavailable, "DatabaseError");
        Assert.Empty(ready.Lines);
        Assert.False(start.IsCompleted);

        faults.Heal();
        await Eventually.EndsAsync(start, "the start goes on once the database answers");
        (await Get("/pub/health")).Expect(HttpStatusCode.OK);
        Assert.Single(ready.Lines);
        await app.StopAsync();
    }

    private static async Task<(int Code, string Error)> RunAsync(Microsoft.AspNetCore.Builder.WebApplication app)
    {
        var error = new StringWriter();
        var code = await Eventually.EndsAsync(HostProgram.RunAsync(app, error), "the program ends");
        return (code, error.ToString());
    }
}
