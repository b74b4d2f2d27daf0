using System.CommandLine;
using Plane.Cli.Configuration;
using Plane.Cli.Roles;
using Plane.DroneHost;

namespace Plane.Tests.Drone;

/// <summary>Where the Docker engine is: Docker's own variable is heard by every program that runs backends.</summary>
public sealed class DockerHostTests
{
    private const string Theirs = "tcp://127.0.0.1:2375";

    [Fact]
    public void DOCKER_HOST_is_the_engine_of_every_program_that_runs_backends()
    {
        var environment = Environment(("DOCKER_HOST", Theirs));

        Assert.Equal(Theirs, Bind<DroneOptions>(environment).DockerHost);
        Assert.Equal(Theirs, Bind<UpOptions>(environment).DockerHost);
        Assert.Equal(Theirs, Bind<DemoOptions>(environment).DockerHost);
    }

    [Fact]
    public void Our_own_variable_wins()
    {
        var environment = Environment(("DOCKER_HOST", Theirs), ("PLANE__DOCKER_HOST", "unix:///ours.sock"));

        Assert.Equal("unix:///ours.sock", Bind<DroneOptions>(environment).DockerHost);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    public void Without_it_the_engine_is_the_machines_own(string? value)
    {
        var environment = value is null ? Environment() : Environment(("DOCKER_HOST", value));

        Assert.Equal("unix:///var/run/docker.sock", Bind<DroneOptions>(environment).DockerHost);
    }

    [Fact]
    public void One_that_cannot_be_used_is_a_problem_unless_only_processes_run()
    {
        var options = new DroneOptions { Cluster = "test.example", DockerHost = "ssh://somewhere" };

        Assert.StartsWith("--docker-host (PLANE__DOCKER_HOST) is 'ssh://somewhere'", Assert.Single(new DroneOptionsValidator().Problems(options)), StringComparison.Ordinal);
        options.Runtime = "process";
        Assert.Empty(new DroneOptionsValidator().Problems(options));
    }

    private static Dictionary<string, string> Environment(params (string Name, string Value)[] variables) =>
        variables.ToDictionary(v => v.Name, v => v.Value);

    private static T Bind<T>(IReadOnlyDictionary<string, string> environment)
        where T : class, new()
    {
        // A drone's cluster is required.
        var command = new RootCommand();
        var configuration = new RoleConfiguration(typeof(T));
        configuration.AddTo(command);
        var given = typeof(T) == typeof(DroneOptions) ? (string[])["--cluster", "test.example"] : [];
        return configuration.Read(command.Parse(given), environment).Get<T>();
    }
}
