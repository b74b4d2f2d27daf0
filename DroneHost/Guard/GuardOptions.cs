using System.ComponentModel;
using System.ComponentModel.DataAnnotations;

namespace Plane.DroneHost.Guard;

/// <summary>How a guard runs. Checked at start: a bad value names itself and the program ends with exit code 2.</summary>
public sealed class GuardOptions
{
    /// <summary>The run directory that it shares with the drone's agent. Must be given.</summary>
    [Required]
    [Description("the run directory of the drone that it guards")]
    public string RunDir { get; set; } = "";

    /// <summary>What the drone runs: <c>docker</c>, <c>process</c> or both. Default both.</summary>
    [Description("what the drone runs: docker, process or docker,process")]
    public string Runtime { get; set; } = "docker,process";

    /// <summary>The Docker engine's address. Default: <c>unix:///var/run/docker.sock</c>. The command line reads the variable <c>DOCKER_HOST</c> too.</summary>
    [Description("the Docker engine's address; DOCKER_HOST is read too")]
    public string DockerHost { get; set; } = "unix:///var/run/docker.sock";

    /// <summary>How long a backend must have been gone before it is no longer looked for. Default 1 min: longer than any request to start it is under way.</summary>
    [Description("how long a backend must have been gone")]
    public TimeSpan GoneFor { get; set; } = TimeSpan.FromMinutes(1);

    /// <summary>
    /// Started by an agent: it makes a session of its own, logs to the run directory, and ends once there is no agent any more and nothing to guard. Default false, as
    /// for a service of its own.
    /// </summary>
    [Description("as an agent starts it: in a session of its own, ending after the agent when nothing is left to guard")]
    public bool WithAgent { get; set; }
}
