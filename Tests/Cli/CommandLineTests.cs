using System.CommandLine;
using System.Text.RegularExpressions;
using Microsoft.Extensions.Options;
using Plane.Cli;
using Plane.Cli.Configuration;
using Plane.Cli.Operator;
using Plane.Cli.Output;
using Plane.Cli.Roles;
using Plane.DnsHost;
using Plane.Hosting;
using Plane.Testing;
using PlaneCommand = Plane.Cli.Program;

namespace Plane.Tests.Cli;

/// <summary>What the command line says to its user, without an installation.</summary>
public sealed class CommandLineTests
{
    [Theory]
    [InlineData("conect is not a command of plane; did you mean connect?", "conect", "--key", "x")]
    [InlineData("frobnicate is not a command of plane", "frobnicate")]
    [InlineData("foo is not a command of plane dns; did you mean txt?", "dns", "foo")]
    [InlineData("--kye is not an option of plane connect; did you mean --key?", "connect", "--kye", "x")]
    [InlineData("--clutser is not an option of plane drain; did you mean --cluster?", "drain", "dr-x", "--clutser=x")]
    [InlineData("--jsno is not an option of plane dns txt list; did you mean --json?", "dns", "txt", "list", "--jsno")]
    [InlineData("b is one argument too many for plane terminate", "terminate", "a", "b")]
    [InlineData("plane terminate needs BACKEND", "terminate")]
    [InlineData("--key needs a value", "connect", "--key")]
    [InlineData("--limit needs a value", "backends", "--limit")]
    [InlineData("--limit must be a whole number", "backends", "--limit", "abc")]
    [InlineData("--max-idle-seconds must be a whole number", "connect", "--key", "x", "--image", "x", "--max-idle-seconds", "abc")]
    [InlineData("--timeout-seconds must be a whole number", "health", "--timeout-seconds", "5.5")]
    [InlineData("--port must be a whole number", "dns", "check", "--cluster", "example.com", "--port", "x")]
    public void A_wrong_command_line_has_one_line_that_says_what_is_wrong(string expected, params string[] arguments) =>
        Assert.Equal(expected, Assert.Single(ParseProblems.Of(PlaneCommand.Commands().Parse(arguments))));

    [Fact]
    public void Numbers_are_read()
    {
        var parsed = PlaneCommand.Commands().Parse(["connect", "--key", "x", "--image", "x", "--max-idle-seconds", "60"]);
        Assert.Empty(parsed.Errors);
        Assert.Equal(60, parsed.GetValue<int?>("--max-idle-seconds"));
        Assert.Null(parsed.GetValue<int?>("--lifetime-seconds"));
        Assert.Equal(100, PlaneCommand.Commands().Parse(["backends"]).GetValue<int>("--limit"));
    }

    [Fact]
    public void A_required_option_may_be_given_by_a_variable()
    {
        var command = new RootCommand();
        var configuration = new RoleConfiguration(typeof(DnsOptions));
        configuration.AddTo(command);
        var parsed = command.Parse([]);
        Assert.Empty(parsed.Errors);
        Assert.Equal("acme.example.net", configuration.Read(parsed, new Dictionary<string, string> { ["PLANE__ZONE"] = "acme.example.net" }).Get<DnsOptions>().Zone);
        foreach (var environment in (Dictionary<string, string>[])[[], new() { ["PLANE__ZONE"] = "" }])
        {
            var e = Assert.Throws<OptionsValidationException>(() => configuration.Read(parsed, environment));
            Assert.StartsWith("--zone (or PLANE__ZONE) is required: ", Assert.Single(e.Failures), StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("--cluster (or PLANE__CLUSTER) is required", "drone")]
    [InlineData("--cluster (or PLANE__CLUSTER) is required", "proxy")]
    [InlineData("--zone (or PLANE__ZONE) is required", "dns")]
    [InlineData("--run-dir (or PLANE__RUN_DIR) is required", "guard")]
    [InlineData("--gateway-cert and --gateway-key come together", "proxy", "--cluster", "localhost:1", "--gateway-cert", "/etc/hostname")]
    public async Task A_role_that_cannot_start_says_so_as_every_command_does(string mentions, params string[] arguments)
    {
        var (code, lines) = await RunningProgram.RunAsync(Checkout.Dotnet, [Checkout.Cli, .. arguments]);
        Assert.Equal(ExitCodes.Usage, code);
        Assert.Contains(mentions, lines[0], StringComparison.Ordinal);
        Assert.StartsWith("plane: ", lines[0], StringComparison.Ordinal);
        Assert.Equal($"plane: see plane {arguments[0]} --help", lines[1]);
    }

    [Theory]
    [InlineData("drone")]
    [InlineData("proxy")]
    [InlineData("dns")]
    [InlineData("controller")]
    [InlineData("up")]
    public async Task Help_describes_every_option_and_is_the_same_at_each_call(string role)
    {
        var help = await HelpAsync(role);
        Assert.Equal(help, await HelpAsync(role));
        Assert.All(PlaneCommand.Commands().Subcommands.Single(c => c.Name == role).Options, o => Assert.False(string.IsNullOrEmpty(o.Description), o.Name));
        Assert.All(
            PlaneCommand.Commands().Subcommands.Single(c => c.Name == role).Options,
            o => Assert.False(o.Description!.StartsWith('['), $"{o.Name} has a default, and no description"));
    }

    [Fact]
    public async Task Help_shows_what_is_required_and_the_default_of_a_list()
    {
        var help = await HelpAsync("proxy");
        Assert.Contains("[required, here or as PLANE__CLUSTER]", help, StringComparison.Ordinal);
        Assert.Contains("[default: 127.0.0.1:30000]", help, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(ErrorKind.InvalidRequest, "spawn_config.max_idle_seconds must be from 1 to 9", "--max-idle-seconds must be from 1 to 9")]
    [InlineData(ErrorKind.InvalidRequest, "the request is too long", "the request is too long")]
    [InlineData(ErrorKind.KeyUnheldNoSpawnConfig, "no spawn_config", "nothing holds the key: give --image, --command or --service to start a backend with")]
    public void A_refused_connect_names_flags(ErrorKind kind, string message, string expected) =>
        Assert.Equal(expected, ConnectRefusal.InFlags(new PlaneError { Id = "x", Kind = kind, Message = message }));

    [Fact]
    public void A_history_in_a_pipe_has_its_times_in_utc()
    {
        var output = new StringWriter();
        var entry = new StatusEntry { Status = BackendStatus.Ready, Time = new DateTimeOffset(2026, 1, 2, 3, 4, 5, 6, TimeSpan.FromHours(2)) };
        var printer = new Printer(output, TextWriter.Null, json: false, isTerminal: false);
        printer.History([entry]);
        printer.Step(entry);
        Assert.Equal(["2026-01-02 01:04:05.006Z\tready", "ready", ""], output.ToString().Split(Environment.NewLine));
    }

    [Fact]
    public void A_table_on_a_narrow_terminal_keeps_ids_whole_and_says_what_it_leaves_out()
    {
        Assert.Equal(
            """
            BACKEND         KEY                  DRONE
            2t3b7n2h0encxl  room-1               dr-dnvt39u0pj2jsh
            kx6d9xvgyo9oo1  a-very-long-name-o…  dr-dnvt39u0pj2jsh
            not shown: cluster, created (--wide shows all columns)

            """,
            Table(isTerminal: true, isWide: false, width: 54));
        Assert.DoesNotContain(Table(isTerminal: true, isWide: false, width: 10).Split('\n'), l => l.EndsWith("dr-dnvt39u0pj2js", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(false, 200)]
    [InlineData(true, 40)]
    public void A_wide_terminal_or_option_shows_all_columns(bool isWide, int width) => Assert.Equal(
        """
        BACKEND         KEY                                  DRONE              CLUSTER          CREATED
        2t3b7n2h0encxl  room-1                               dr-dnvt39u0pj2jsh  localhost:19190  2026-11-29 16:17:13Z
        kx6d9xvgyo9oo1  a-very-long-name-of-a-keyー長い名前  dr-dnvt39u0pj2jsh  localhost:19190  2026-11-29 16:17:12Z

        """,
        Table(isTerminal: true, isWide, width));

    [Fact]
    public void A_pipe_gets_all_columns_whatever_the_width() => Assert.Equal(
        "2t3b7n2h0encxl\troom-1\tdr-dnvt39u0pj2jsh\tlocalhost:19190\t2026-11-29 16:17:13Z\n"
        + "kx6d9xvgyo9oo1\ta-very-long-name-of-a-keyー長い名前\tdr-dnvt39u0pj2jsh\tlocalhost:19190\t2026-11-29 16:17:12Z\n",
        Table(isTerminal: false, isWide: false, width: 20));

    [Theory]
    [InlineData(true, false, 1_000, "ready")]
    [InlineData(false, false, 1_000, "not ready")]
    [InlineData(false, false, 10_800_000, "not ready, silent for 3 h")]
    [InlineData(false, true, 604_800_000, "draining, silent for 7 d")]
    public void A_drone_that_is_gone_says_since_when(bool ready, bool draining, long age, string expected) => Assert.Equal(
        expected,
        ClusterCommands.StateText(new DroneState
        {
            Ready = ready,
            Draining = draining,
            LastHeartbeatAge = age,
            BackendCount = 0,
            Node = new NodeState { Name = "dr-x", PlaneVersion = "1", PlaneHash = "", Controller = "co-x", ControllerHeartbeatAge = 1 },
        }));

    [Theory]
    [InlineData("127.0.0.1", "auto", null, null)]
    [InlineData("0.0.0.0", "docker", null, null)]
    [InlineData("0.0.0.0", "docker,process", null, null)]
    [InlineData("0.0.0.0", "auto", "token", null)]
    [InlineData("0.0.0.0", "auto", null, "--ctrl-token-file")]
    public void Up_runs_no_commands_of_other_machines_unless_told_to(string host, string runtime, string? tokenFile, string? mentions)
    {
        var problems = new UpOptionsValidator().Problems(new UpOptions { Host = host, Runtime = runtime, CtrlTokenFile = tokenFile });
        if (mentions is null)
        {
            Assert.Empty(problems);
        }
        else
        {
            Assert.Contains(mentions, Assert.Single(problems), StringComparison.Ordinal);
        }
    }

    [Fact]
    public void The_end_of_a_backend_is_explained_with_its_last_output()
    {
        var error = new StringWriter();
        var backend = new BackendDetails
        {
            BackendId = BackendName.Parse("2t3b7n2h0encxl"),
            Cluster = ClusterName.Parse("localhost:9090"),
            Drone = DroneName.Parse("dr-dnvt39u0pj2jsh"),
            Key = new KeyInfo { Name = "k", Namespace = "", Tag = "", FencingToken = default },
            HoldsKey = false,
            Status = BackendStatus.Terminated,
            StatusTime = default,
            CreatedAt = default,
            Executor = ExecutorKind.Process,
            ExitCode = 3,
            Message = "It exited before it was ready.",
            OutputTail = "oh\u001b no\nline 2",
            History = [new StatusEntry { Status = BackendStatus.Terminated, Time = default, ExitError = true }],
        };
        BackendEnd.Print(new Printer(TextWriter.Null, error, json: false, isTerminal: false), backend);
        Assert.Equal(
            """
            plane: the backend has ended and was never ready (exited with an error, exit code 3): It exited before it was ready.
            the last lines of its output:
              | oh� no
              | line 2
            plane: see plane backend 2t3b7n2h0encxl

            """,
            error.ToString());
    }

    private static string Table(bool isTerminal, bool isWide, int width)
    {
        var output = new StringWriter();
        new Printer(output, output, json: false, isTerminal, isWide, width).Table(
            [new("backend"), new("key", Shortens: true), new("drone", Leaves: 3), new("cluster", Leaves: 1), new("created", Leaves: 2)],
            [
                ["2t3b7n2h0encxl", "room-1", "dr-dnvt39u0pj2jsh", "localhost:19190", "2026-11-29 16:17:13Z"],
                ["kx6d9xvgyo9oo1", "a-very-long-name-of-a-keyー長い名前", "dr-dnvt39u0pj2jsh", "localhost:19190", "2026-11-29 16:17:12Z"],
            ],
            "none");

        // Whether there are colours is up to the environment.
        return Regex.Replace(output.ToString(), "\\e\\[[0-9;]*m", "");
    }

    private static async Task<string> HelpAsync(string role)
    {
        var output = new StringWriter();
        await PlaneCommand.Commands().Parse([role, "--help"]).InvokeAsync(new InvocationConfiguration { Output = output });
        return output.ToString();
    }
}
