using System.ComponentModel;

namespace Plane.Cli.Roles;

/// <summary>What <c>plane demo</c> is started with.</summary>
public sealed class DemoOptions
{
    /// <summary>Where the demo's database and the drone's state are.</summary>
    [Description("the directory of the database and the drone's state")]
    public string Data { get; set; } = Path.Combine(".plane", "demo");

    /// <summary>The port of the HTTP API; 0 for a free one.</summary>
    [Description("the port of the HTTP API")]
    public int Port { get; set; } = 8080;

    /// <summary>The port of the proxy; 0 for a free one.</summary>
    [Description("the port of the proxy")]
    public int ProxyPort { get; set; } = 9090;

    /// <summary>What runs the board.</summary>
    [Description("what runs the board: docker, process or auto (Docker if its engine answers)")]
    public string Runtime { get; set; } = "auto";

    /// <summary>The Docker engine's address; the variable <c>DOCKER_HOST</c> is read too.</summary>
    [Description("the Docker engine's address; DOCKER_HOST is read too")]
    public string DockerHost { get; set; } = "unix:///var/run/docker.sock";

    /// <summary>The board's key.</summary>
    [Description("the board's key")]
    public string Key { get; set; } = "demo-board";
}
