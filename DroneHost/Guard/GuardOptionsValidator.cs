using Plane.DroneHost.Runtimes.Docker;
using Plane.Hosting.Configuration;

namespace Plane.DroneHost.Guard;

/// <summary>Checks how a guard runs.</summary>
public sealed class GuardOptionsValidator : OptionsValidator<GuardOptions>
{
    /// <inheritdoc/>
    protected override void Check(GuardOptions o, OptionRules rules)
    {
        ArgumentNullException.ThrowIfNull(o);
        ArgumentNullException.ThrowIfNull(rules);
        rules.Path(o.RunDir);
        var isKnown = o.Runtime is "docker" or "process" or "docker,process" or "process,docker";
        rules.That(isKnown, o.Runtime, "must be docker, process or docker,process");
        rules.That(DockerEndpoint.TryParse(o.DockerHost, out var problem) is not null || o.Runtime == "process" || !isKnown, o.DockerHost, problem);
        rules.Positive(o.GoneFor, TimeSpan.FromHours(1));
    }
}
