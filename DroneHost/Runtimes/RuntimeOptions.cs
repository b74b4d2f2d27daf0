using Plane.Drone.Runtimes.Docker;
using Plane.Drone.Runtimes.Process;

namespace Plane.Drone.Runtimes;

/// <summary>Which runtime a drone uses.</summary>
public enum RuntimeChoice
{
    /// <summary>Docker if an engine answers, else processes: for laptops and tests.</summary>
    Auto,

    /// <summary>Docker, and nothing else when it is away.</summary>
    Docker,

    /// <summary>Processes without isolation: only where the operator chose them.</summary>
    Process,
}

/// <summary>The settings of a drone's runtime.</summary>
public sealed class RuntimeOptions
{
    /// <summary>Which one.</summary>
    public RuntimeChoice Choice { get; set; } = RuntimeChoice.Docker;

    /// <summary>For Docker.</summary>
    public DockerRuntimeOptions Docker { get; } = new();

    /// <summary>For processes.</summary>
    public ProcessRuntimeOptions Process { get; } = new();

    /// <summary>How long <see cref="RuntimeChoice.Auto"/> waits for a Docker engine.</summary>
    public TimeSpan AutoTimeout { get; set; } = TimeSpan.FromSeconds(3);

    /// <summary>What is wrong with the settings of the chosen runtime. The instance id must be set before.</summary>
    public IEnumerable<string> Problems() =>
        (Choice == RuntimeChoice.Process ? [] : Docker.Problems()).Concat(Choice == RuntimeChoice.Docker ? [] : Process.Problems());

    /// <summary>Reads <c>docker</c>, <c>process</c> or <c>auto</c>.</summary>
    /// <param name="text">The text.</param>
    /// <param name="choice">What it says.</param>
    public static bool TryParse(string? text, out RuntimeChoice choice)
    {
        choice = text switch
        {
            "docker" => RuntimeChoice.Docker,
            "process" => RuntimeChoice.Process,
            _ => RuntimeChoice.Auto,
        };
        return text is "docker" or "process" or "auto";
    }
}
