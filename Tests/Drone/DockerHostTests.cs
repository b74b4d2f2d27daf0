using Plane.Cli.Roles;
using Plane.Drone;
using Plane.Hosting;

namespace Plane.Tests.Drone;

/// <summary>Where the Docker engine is: Docker's own variable is heard by every program that runs backends.</summary>
public sealed class DockerHostTests
{
    private const string Theirs = "tcp://127.0.0.1:2375";

    [Fact]
    public void DOCKER_HOST_is_the_engine_of_every_program_that_runs_backends()
    {
        var environment = Environment(("DOCKER_HOST", Theirs));

        Assert.Equal(Theirs, new OptionsBinder<DroneOptions>().Bind(null, environment).DockerHost);
        Assert.Equal(Theirs, new OptionsBinder<UpOptions>().Bind(null, environment).DockerHost);
        Assert.Equal(Theirs, new OptionsBinder<DemoOptions>().Bind(null, environment).DockerHost);
    }

    [Fact]
    public void Our_own_variable_wins()
    {
        var environment = Environment(("DOCKER_HOST", Theirs), ("PLANE__DOCKER_HOST", "unix:///ours.sock"));

        Assert.Equal("unix:///ours.sock", new OptionsBinder<DroneOptions>().Bind(null, environment).DockerHost);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    public void Without_it_the_engine_is_the_machines_own(string? value)
    {
        var environment = value is null ? Environment() : Environment(("DOCKER_HOST", value));

        Assert.Equal("unix:///var/run/docker.sock", new OptionsBinder<DroneOptions>().Bind(null, environment).DockerHost);
    }

    [Fact]
    public void One_that_cannot_be_used_is_a_problem_unless_only_processes_run()
    {
        var options = new DroneOptions { Cluster = "test.example", DockerHost = "ssh://somewhere" };

        Assert.StartsWith("docker-host 'ssh://somewhere'", Assert.Single(options.Problems()), StringComparison.Ordinal);
        options.Runtime = "process";
        Assert.Empty(options.Problems());
    }

    private static IReadOnlyDictionary<string, string> Environment(params (string Name, string Value)[] variables) =>
        ProcessEnvironment.WithKnownNames(variables.ToDictionary(v => v.Name, v => v.Value));
}
