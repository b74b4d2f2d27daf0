using System.CommandLine;
using Microsoft.Extensions.Options;
using Plane.Cli.Configuration;
using Plane.Cli.Roles;
using Plane.DroneHost;
using Plane.Hosting;
using Plane.Silo;
using Plane.Testing;
using PlaneCommand = Plane.Cli.Program;

namespace Plane.Tests.Cli;

/// <summary>Options from a file, from variables and from flags: the same names, one order, and a message for each value that cannot be used.</summary>
public sealed class ConfigurationTests : IDisposable
{
    private readonly TempDirectory _directory = new();

    /// <summary>
    /// The list of what operators have written into their units and files. A line that changes or goes breaks an installation: it is said in CHANGELOG.md.
    /// </summary>
    [Fact]
    public void Every_flag_variable_and_default_is_as_listed()
    {
        var list = PlaneCommand.Commands().Subcommands.OfType<RoleCommand>()
            .SelectMany(c => c.Configuration.Definitions.Select(d => $"{c.Name} {d.Flag} {d.Variable} {d.Default}".TrimEnd()))
            .Order(StringComparer.Ordinal)
            .ToArray();
        Assert.Equal(File.ReadAllLines(Path.Combine(Checkout.Root, "Tests", "Cli", "options.txt")), list);
    }

    [Fact]
    public void A_flag_wins_over_a_variable_a_variable_over_the_file_and_the_file_over_the_default()
    {
        var options = Read<ControllerOptions>(
            """
            {
              // Comments and trailing commas are read.
              "Port": 1, "MetricsPort": 2, "MaxStatusStreams": 3, "Host": "::1",
              "LeaseNumbers": { "RenewAfter": "10s", "Soft": "45s" },
            }
            """,
            ["--port", "11"],
            ("PLANE__PORT", "21"), ("PLANE__METRICS_PORT", "22"), ("PLANE__LEASE_NUMBERS__SOFT", "46s"));
        Assert.Equal((11, 22, 3, "::1", 7), (options.Port, options.MetricsPort, options.MaxStatusStreams, options.Host, options.CleanupMinAgeDays));
        Assert.Equal((TimeSpan.FromSeconds(10), TimeSpan.FromSeconds(46)), (options.LeaseNumbers.RenewAfter, options.LeaseNumbers.Soft));
    }

    [Theory]
    [InlineData("""{ "Gateway": ["a:1", "b:2"] }""", null, null, "a:1 b:2")]
    [InlineData("""{ "Gateway": "a:1,b:2" }""", null, null, "a:1 b:2")]
    [InlineData("""{ "Gateway": ["a:1", "b:2"] }""", "c:3, d:4", null, "c:3 d:4")]
    [InlineData("""{ "Gateway": ["a:1", "b:2"] }""", "c:3, d:4", "e:5", "e:5")]
    [InlineData("""{ "Gateway": [] }""", null, null, "")]
    [InlineData("{}", null, null, "127.0.0.1:30000")]
    public void A_list_replaces_what_is_below_it_whatever_it_comes_from(string file, string? variable, string? flag, string expected)
    {
        var options = Read<GatewayFlags>(file, flag is null ? [] : ["--gateway", flag], variable is null ? [] : [("PLANE__GATEWAY", variable)]);
        Assert.Equal(expected, string.Join(' ', options.Gateway));
    }

    [Theory]
    [InlineData("metrics-port")]
    [InlineData("metrics_port")]
    [InlineData("metricsPort")]
    public void A_key_may_be_written_as_the_flag(string key) => Assert.Equal(9100, Read<ControllerOptions>($$"""{ "{{key}}": 9100 }""", []).MetricsPort);

    [Theory]
    [InlineData("State")]
    [InlineData("StateFile")]
    public void The_state_file_is_named_as_its_flag_or_as_before(string key)
    {
        var options = Read<DroneOptions>($$"""{ "Cluster": "localhost:9090", "{{key}}": "a.db" }""", []);
        Assert.Equal("a.db", options.StateFile);
    }

    [Fact]
    public void The_file_may_be_named_by_a_variable()
    {
        File.WriteAllText(_directory["plane.json"], """{ "Port": 1 }""");
        Assert.Equal(1, Configuration<ControllerOptions>([], ("PLANE_CONFIG", _directory["plane.json"])).Get<ControllerOptions>().Port);
        Assert.Equal(8080, Configuration<ControllerOptions>([], ("PLANE_CONFIG", "")).Get<ControllerOptions>().Port);
    }

    [Fact]
    public void Each_problem_of_the_file_names_the_file_and_the_key()
    {
        var failures = Assert.Throws<OptionsValidationException>(() => Read<ControllerOptions>(
            """{ "Prot": 1, "Port": "many", "LeaseNumbers": { "Soft": "soon", "Entirely different": 1 }, "Logging": { "LogLevel": { "Default": "Debug" } } }""", [])).Failures;
        var file = _directory["plane.json"];
        Assert.Equal(
            [
                $"'LeaseNumbers:Entirely different' in {file} is not an option of this command",
                $"'Logging:LogLevel:Default' in {file} is not an option of this command",
                $"'Prot' in {file} is not an option of this command",
                $"LeaseNumbers:Soft in {file} is 'soon': must be a duration such as 500ms, 15s, 2m, 1h or 7d",
                $"Port in {file} is 'many': must be a whole number",
            ],
            failures.Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData(null, "cannot be read: Could not find file")]
    [InlineData("{", "cannot be read: ")]
    [InlineData("[1]", "cannot be read: ")]
    public void A_file_that_cannot_be_read_is_named_with_its_flag(string? content, string problem)
    {
        var file = _directory["plane.json"];
        if (content is not null)
        {
            File.WriteAllText(file, content);
        }

        var failure = Assert.Single(Assert.Throws<OptionsValidationException>(() => Configuration<ControllerOptions>(["--config", file])).Failures);
        Assert.StartsWith($"--config is '{file}': {problem}", failure, StringComparison.Ordinal);
        failure = Assert.Single(Assert.Throws<OptionsValidationException>(() => Configuration<ControllerOptions>([], ("PLANE_CONFIG", file))).Failures);
        Assert.StartsWith($"PLANE_CONFIG is '{file}': {problem}", failure, StringComparison.Ordinal);
    }

    [Fact]
    public void A_value_that_a_role_refuses_is_located_in_the_file()
    {
        File.WriteAllText(_directory["plane.json"], """{ "Port": 70000, "Host": "nowhere" }""");
        var given = Configuration<ControllerOptions>(["--config", _directory["plane.json"], "--host", "somewhere"]);
        Assert.Equal(
            [
                "--host (PLANE__HOST) is 'somewhere': must be an IP address, localhost or *",
                $"--port (PLANE__PORT) is '70000': must be from 0 to 65535 (set as Port in {_directory["plane.json"]})",
            ],
            new ControllerOptionsValidator().Problems(given.Get<ControllerOptions>()).Select(given.Locate));
    }

    [Fact]
    public void A_variable_of_others_is_named_as_theirs()
    {
        var e = Assert.Throws<OptionsValidationException>(() => Configuration<HostingOptions>([], ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector")));
        Assert.Equal("OTEL_EXPORTER_OTLP_ENDPOINT is 'collector': must be a URL", Assert.Single(e.Failures));
    }

    [Theory]
    [InlineData("--port (PLANE__PORT) is '99999': must be from 0 to 65535", "--port", "99999")]
    [InlineData("--db (PLANE__DB): ", "--db", "mysql://user:geheim@host/x")]
    [InlineData("--forward-auth (PLANE__FORWARD_AUTH) is 'ftp://…@host/': must be an http or https URL", "--forward-auth", "ftp://user:geheim@host/")]
    [InlineData("--gateway-host (PLANE__GATEWAY_HOST) is '0.0.0.0': is beyond loopback", "--gateway-host", "0.0.0.0")]
    [InlineData("--log-level is 'loud': must be one of trace, debug", "--log-level", "loud")]
    public async Task A_program_that_is_started_wrongly_names_option_and_value_and_no_secret(string expected, string flag, string value)
    {
        var (code, lines) = await RunningProgram.RunAsync(Checkout.Dotnet, [Checkout.Cli, "controller", flag, value]);
        Assert.Equal(ExitCodes.Usage, code);
        Assert.StartsWith("plane: " + expected, lines[0], StringComparison.Ordinal);
        Assert.Equal("plane: see plane controller --help", lines[^1]);
        Assert.DoesNotContain(lines, l => l.Contains("geheim", StringComparison.Ordinal));
    }

    public void Dispose() => _directory.Dispose();

    private T Read<T>(string file, string[] arguments, params (string Name, string Value)[] environment)
        where T : class, new()
    {
        File.WriteAllText(_directory["plane.json"], file);
        return Configuration<T>(["--config", _directory["plane.json"], .. arguments], environment).Get<T>();
    }

    private static GivenOptions Configuration<T>(string[] arguments, params (string Name, string Value)[] environment)
    {
        var command = new RootCommand();
        var configuration = new RoleConfiguration(typeof(T));
        configuration.AddTo(command);
        return configuration.Read(command.Parse(arguments), environment.ToDictionary(e => e.Name, e => e.Value));
    }
}
