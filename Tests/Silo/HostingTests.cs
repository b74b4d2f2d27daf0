using System.CommandLine;
using System.ComponentModel;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Plane.Cli.Configuration;
using Plane.Hosting.Configuration;
using Plane.Hosting.Metrics;
using Plane.Hosting.Ready;
using Plane.Hosting.Running;
using Plane.Hosting;
using Plane.Hosting.Logging;
using Plane.Silo;
using Plane.Testing;

namespace Plane.Tests.Silo;

/// <summary>What every role shares.</summary>
public sealed class HostingTests
{
    [Fact]
    public void Flags_win_over_variables_and_variables_over_defaults()
    {
        var options = Bind<ControllerOptions>(
            ["--port", "1111", "--default-cluster", "Example.com:9090"],
            ("PLANE__PORT", "2222"), ("PLANE__METRICS_PORT", "3333"), ("plane__cleanupminagedays", "3"));
        Assert.Equal(1111, options.Port);
        Assert.Equal(3333, options.MetricsPort);
        Assert.Equal(3, options.CleanupMinAgeDays);
        Assert.Equal("example.com:9090", options.DefaultCluster!.Value.Value);
        Assert.Equal("127.0.0.1", options.Host);
    }

    [Fact]
    public void Nested_values_have_flags_and_variables_of_their_own()
    {
        var options = Bind<ControllerOptions>(["--lease-numbers-renew-after", "500ms"], ("PLANE__LEASE_NUMBERS__SOFT", "2s"));
        Assert.Equal(TimeSpan.FromMilliseconds(500), options.LeaseNumbers.RenewAfter);
        Assert.Equal(TimeSpan.FromSeconds(2), options.LeaseNumbers.Soft);
        Assert.Equal(TimeSpan.FromSeconds(50), options.LeaseNumbers.Hard);
        Assert.Equal(TimeSpan.FromSeconds(15), new ControllerOptions().LeaseNumbers.RenewAfter);
    }

    [Fact]
    public void Every_value_that_cannot_be_read_is_named_by_where_it_came_from()
    {
        var e = Assert.Throws<OptionsValidationException>(() => Bind<ControllerOptions>(
            ["--port", "many", "--controller-url", "nowhere"], ("PLANE__DEFAULT_CLUSTER", "not a host"), ("PLANE__STREAM_KEEP_ALIVE", "soon")));
        Assert.Collection(
            e.Failures.Order(StringComparer.Ordinal),
            p => Assert.StartsWith("--controller-url is 'nowhere': must be a URL", p, StringComparison.Ordinal),
            p => Assert.StartsWith("--port is 'many': must be a whole number", p, StringComparison.Ordinal),
            p => Assert.StartsWith("PLANE__DEFAULT_CLUSTER is 'not a host': is not valid: a cluster is", p, StringComparison.Ordinal),
            p => Assert.StartsWith("PLANE__STREAM_KEEP_ALIVE is 'soon': must be a duration", p, StringComparison.Ordinal));
    }

    public sealed class Sample
    {
        [Description("a switch")]
        public bool Quiet { get; set; }

        [Description("a list")]
        public string[] Gateways { get; set; } = ["a"];

        [Description("an enumeration")]
        public ExecutorKind? Kind { get; set; }

        [DisplayName("State")]
        [Description("a renamed one")]
        public string? StateFile { get; set; }

        [PasswordPropertyText]
        [Description("a secret")]
        public int Secret { get; set; }

        public int NoOption { get; set; }
    }

    [Fact]
    public void Lists_switches_and_enums_are_read()
    {
        var sample = Bind<Sample>(["--quiet", "--gateways", "x,y", "--gateways", "z", "--kind", "process", "--state", "s"]);
        Assert.True(sample.Quiet);
        Assert.Equal(["x", "y", "z"], sample.Gateways);
        Assert.Equal(ExecutorKind.Process, sample.Kind);
        Assert.Equal("s", sample.StateFile);
        Assert.Equal(["a"], Bind<Sample>([]).Gateways);
        Assert.Equal(["b", "c"], Bind<Sample>([], ("PLANE__GATEWAYS", "b, c")).Gateways);
        Assert.Empty(Bind<Sample>([], ("PLANE__GATEWAYS", "")).Gateways);
        Assert.False(Bind<Sample>(["--quiet", "false"], ("PLANE__QUIET", "true")).Quiet);
        Assert.True(Bind<Sample>([], ("PLANE__QUIET", "1")).Quiet);
    }

    [Theory]
    [InlineData("PLANE__STATE")]
    [InlineData("PLANE__STATE_FILE")]
    public void A_renamed_option_is_read_by_its_flags_name_and_by_its_propertys(string variable) =>
        Assert.Equal("v", Bind<Sample>([], (variable, "v")).StateFile);

    [Theory]
    [InlineData("--kind", "7", "--kind is '7': must be one of")]
    [InlineData("--kind", "docker,process", "--kind is 'docker,process': must be one of")]
    [InlineData("--secret", "geheim", "--secret: must be a whole number")]
    public void A_value_that_is_none_is_refused(string flag, string value, string problem) =>
        Assert.StartsWith(problem, Assert.Single(Assert.Throws<OptionsValidationException>(() => Bind<Sample>([flag, value])).Failures), StringComparison.Ordinal);

    [Fact]
    public void A_property_without_a_description_is_no_option()
    {
        Assert.Equal(["--quiet", "--gateways", "--kind", "--state", "--secret"], new RoleConfiguration(typeof(Sample)).Definitions.Select(d => d.Flag));
        Assert.Equal(0, Bind<Sample>([], ("PLANE__NO_OPTION", "1")).NoOption);
    }

    [Theory]
    [InlineData("postgres://user:geheim@host/x", "'postgres://…@host/x'")]
    [InlineData("Host=h;Password=geheim;Port=1", "'Host=h;Password=…;Port=1'")]
    [InlineData("a\nb", @"'a\nb'")]
    public void A_quoted_value_holds_no_secret_and_no_line_break(string value, string quoted) => Assert.Equal(quoted, OptionNames.Quote(value));

    [Theory]
    [InlineData("500ms", 0.5)]
    [InlineData("1.5s", 1.5)]
    [InlineData("2m", 120)]
    [InlineData("1h", 3_600)]
    [InlineData("7d", 604_800)]
    [InlineData("00:00:10", 10)]
    public void Durations_are_read_and_shown_alike(string text, double seconds)
    {
        var converter = new DurationConverter();
        var value = converter.ConvertFromInvariantString(text);
        Assert.Equal(TimeSpan.FromSeconds(seconds), value);
        Assert.Equal(value, converter.ConvertFromInvariantString(OptionNames.Show(value)));
    }

    [Theory]
    [InlineData("")]
    [InlineData("5")]
    [InlineData("-5s")]
    [InlineData("1e9s")]
    [InlineData("999999999999999999d")]
    public void What_is_no_duration_is_refused(string text) => Assert.Throws<FormatException>(() => new DurationConverter().ConvertFromInvariantString(text));

    [Fact]
    public void A_ready_line_is_one_line_that_splits_at_blanks()
    {
        var output = new StringWriter();
        var line = new ReadyLine(output);
        line.Ready("proxy", ("url", "http://127.0.0.1:9090"), ("note", "two words\nand a break"));
        line.Ready("proxy", ("url", "again"));
        Assert.Equal("ready proxy url=http://127.0.0.1:9090 note=\"two words\\nand a break\"" + Environment.NewLine, output.ToString());
    }

    [Fact]
    public void Control_characters_do_not_reach_the_log()
    {
        Assert.Equal("a\\nb\\u001b[2Jc\\u0085\\u2028", LogText.Escape("a\nb\e[2Jc\u0085\u2028"));
        Assert.Equal("plain é text", LogText.Escape("plain é text"));
        Assert.Equal("abc…", LogText.Brief("abcdef", 3));
    }

    [Fact]
    public void A_log_entry_is_one_line_whatever_its_values_hold()
    {
        var output = new StringWriter();
        var formatter = new LineFormatter(new HostingOptions { LogColor = false }, TimeProvider.System);
        formatter.Write(
            new LogEntry<string>(LogLevel.Warning, "Plane.Silo.Start", new EventId(7), "a\nforged entry", null, (text, _) => text), null, output);
        var line = Assert.Single(output.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries));
        Assert.Matches(@"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z warn  Silo\.Start\[7\] a\\nforged entry$", line);
    }

    [Theory]
    [InlineData("Microsoft.Hosting.Lifetime")]
    [InlineData("Orleans.Runtime.SiloControl")]
    [InlineData("Npgsql.Connection")]
    public void Frameworks_are_logged_from_warning_on(string framework)
    {
        var builder = PlaneHost.CreateBuilder("test");
        builder.AddPlaneLogging(new HostingOptions { LogLevel = LogLevel.Debug, LogFormat = LogFormat.Json });
        using var host = builder.Build();
        var loggers = host.Services.GetRequiredService<ILoggerFactory>();
        Assert.True(loggers.CreateLogger("Plane.Silo").IsEnabled(LogLevel.Debug));
        Assert.False(loggers.CreateLogger(framework).IsEnabled(LogLevel.Information));
        Assert.True(loggers.CreateLogger(framework).IsEnabled(LogLevel.Warning));
    }

    [Theory]
    [InlineData("Orleans.Runtime.Silo")]
    [InlineData("Orleans.Runtime.SiloLifecycleSubject")]
    [InlineData("Orleans.Runtime.Watchdog")]
    public void What_Orleans_warns_of_at_each_start_and_stop_is_not_logged(string category)
    {
        var builder = PlaneHost.CreateBuilder("test");
        builder.AddPlaneLogging(new HostingOptions());
        using var host = builder.Build();
        var silo = host.Services.GetRequiredService<ILoggerFactory>().CreateLogger(category);
        Assert.False(silo.IsEnabled(LogLevel.Warning));
        Assert.True(silo.IsEnabled(LogLevel.Error));
    }

    [Theory]
    [InlineData("1.2.3+abc", "1.2.3", "abc")]
    [InlineData("1.2.3", "1.2.3", "unknown")]
    [InlineData("1.2.3+", "1.2.3", "unknown")]
    public void The_build_is_version_and_revision(string text, string version, string hash) =>
        Assert.Equal(new PlaneVersion(version, hash), PlaneVersion.Parse(text));

    [Fact]
    public async Task A_service_that_fails_takes_its_program_down_and_says_so()
    {
        var (code, error) = await RunAsync(services => services.AddHostedService(_ => new Failing(new InvalidOperationException("out of luck"))));
        Assert.Equal(ExitCodes.Refused, code);
        Assert.Contains("failed: out of luck", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_role_may_end_its_program_with_a_code_and_a_reason()
    {
        var (code, error) = await RunAsync(services => services.AddHostedService<Leaving>());
        Assert.Equal(ExitCodes.Usage, code);
        Assert.Contains("the name is taken", error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_host_within_a_program_ends_with_it_and_ends_it(bool isTheOneWithinThatEnds)
    {
        var (outer, inner) = (PlaneHost.CreateBuilder("program"), PlaneHost.CreateBuilder("within"));
        (isTheOneWithinThatEnds ? inner : outer).Services.AddHostedService(_ => new Failing(new StartRefusedException("out of luck", ExitCodes.Usage)));
        var within = inner.Build();
        var its = within.Services.GetRequiredService<IHostApplicationLifetime>();
        outer.Services.AddHostedService(s => new NestedHost(within, s.GetRequiredService<IHostApplicationLifetime>()));
        var error = new StringWriter();
        Assert.Equal(ExitCodes.Usage, await Eventually.EndsAsync(HostProgram.RunAsync(outer.Build(), error), "the program ends"));

        // A program that fails before its start is done may not have begun with the host within.
        Assert.True(its.ApplicationStopped.IsCancellationRequested || !its.ApplicationStarted.IsCancellationRequested, "the host within was not stopped");
        Assert.Equal("plane: out of luck" + Environment.NewLine, error.ToString());
    }

    [Fact]
    public async Task A_host_that_cannot_be_disposed_of_says_so_and_keeps_its_code()
    {
        var (code, error) = await RunAsync(services => services.AddHostedService<Leaving>().AddHostedService<Clinging>());
        Assert.Equal(ExitCodes.Usage, code);
        Assert.Contains("does not let go", error, StringComparison.Ordinal);
    }

    [Fact]
    public void Of_roles_that_share_a_process_one_sends_the_metrics()
    {
        var shared = new HostingOptions { OtlpEndpoint = new Uri("http://127.0.0.1:4317") };
        Assert.True(shared.TryBecomeExporter(OtlpSignal.Metrics));
        Assert.False(shared.TryBecomeExporter(OtlpSignal.Metrics));
        Assert.False(new HostingOptions().TryBecomeExporter(OtlpSignal.Metrics));
    }

    [Fact]
    public async Task The_health_probe_tells_healthy_refused_and_unreachable_apart()
    {
        await using var controller = await Controller.StartAsync();
        var probe = new HealthProbe(TimeProvider.System);
        var limit = TimeSpan.FromSeconds(60);
        Assert.Equal(ExitCodes.Done, (await probe.CheckAsync(new Uri(controller.Http.BaseAddress!, "/pub/health"), limit, default)).ExitCode);
        Assert.Equal(ExitCodes.Refused, (await probe.CheckAsync(new Uri(controller.Http.BaseAddress!, "/pub/none"), limit, default)).ExitCode);
        Assert.Equal(
            ExitCodes.Unreachable, (await probe.CheckAsync(new Uri($"http://127.0.0.1:{FreePort.Next()}/"), limit, default)).ExitCode);
    }

    private static async Task<(int Code, string Error)> RunAsync(Action<IServiceCollection> add)
    {
        var builder = PlaneHost.CreateBuilder("test");
        add(builder.Services);
        var error = new StringWriter();
        var code = await Eventually.EndsAsync(HostProgram.RunAsync(builder.Build(), error), "the program ends");
        return (code, error.ToString());
    }

    private static T Bind<T>(string[] arguments, params (string Name, string Value)[] environment)
        where T : class, new()
    {
        var command = new RootCommand();
        var configuration = new RoleConfiguration(typeof(T));
        configuration.AddTo(command);
        var parsed = command.Parse(arguments);
        Assert.Empty(parsed.Errors);
        return configuration.Read(parsed, environment.ToDictionary(e => e.Name, e => e.Value)).Get<T>();
    }

    private sealed class Failing(Exception e) : BackgroundService
    {
        protected override async Task ExecuteAsync(CancellationToken stoppingToken)
        {
            await Task.Yield();
            throw e;
        }
    }

    private sealed class Clinging : IHostedService, IDisposable
    {
        public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public void Dispose() => throw new InvalidOperationException("does not let go");
    }

    private sealed class Leaving(HostExit exit) : IHostedService
    {
        public Task StartAsync(CancellationToken cancellationToken)
        {
            exit.Request(ExitCodes.Usage, "the name is taken");
            return Task.CompletedTask;
        }

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
