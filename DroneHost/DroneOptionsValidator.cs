using System.Net;
using Plane.DroneHost.Runtimes.Docker;
using Plane.Hosting.Configuration;

namespace Plane.DroneHost;

/// <summary>Checks how a drone runs.</summary>
public sealed class DroneOptionsValidator : OptionsValidator<DroneOptions>
{
    private const double MostCpus = 1_000_000;

    private static readonly TimeSpan s_longest = TimeSpan.FromDays(30);

    /// <inheritdoc/>
    protected override void Check(DroneOptions o, OptionRules rules)
    {
        ArgumentNullException.ThrowIfNull(o);
        ArgumentNullException.ThrowIfNull(rules);
        rules.That(ClusterName.TryParse(o.Cluster, out _), o.Cluster, ClusterName.Rule);
        rules.That(o.Name is null || DroneName.TryParse(o.Name, out _), o.Name, DroneName.Rule);
        rules.That(NameRules.TextProblem(o.Pool, 0) is null, o.Pool, NameRules.TextProblem(o.Pool, 0));
        rules.That(
            IPAddress.TryParse(o.Ip, out var ip) && !ip.Equals(IPAddress.Any) && !ip.Equals(IPAddress.IPv6Any), o.Ip, "must be one IP address of this machine, not a wildcard");
        rules.Path(o.StateFile);
        rules.Path(o.RunDir);
        rules.Path(o.ProcessDir);
        rules.That(o.Guard is DroneOptions.OwnGuard or DroneOptions.ExternalGuard, o.Guard, "must be own or external");
        rules.That(
            o.OciRuntime is null || (o.OciRuntime.Length > 0 && o.OciRuntime.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.' or '/')),
            o.OciRuntime,
            "must be the name of a runtime that the engine knows, as runsc");
        rules.That(o.ParseRuntime() is not null, o.Runtime, "must be docker, process, docker,process or auto");

        // Where only processes run, DOCKER_HOST may be anything.
        rules.That(DockerEndpoint.TryParse(o.DockerHost, out var dockerHost) is not null || o.Runtime == "process", o.DockerHost, dockerHost);
        rules.Between(o.MaxBackends, 1, 100_000);
        rules.That(o.Cpus is null or (>= 0 and <= MostCpus), o.Cpus, "must be from 0 to 1000000");
        rules.That(o.Gpus is null or (>= 0 and <= ResourceAmounts.MostGpus), o.Gpus, "must be from 0 to 1024");
        rules.That(o.CpuOvercommit is >= 0.01 and <= 100, o.CpuOvercommit, "must be from 0.01 to 100");
        rules.That(o.MemoryOvercommit is >= 0.01 and <= 100, o.MemoryOvercommit, "must be from 0.01 to 100");
        rules.That(
            !o.HasUnreadableRange && o.PortFrom >= 1_024 && o.PortTo <= 65_535 && o.PortTo >= o.PortFrom,
            o.PortRange,
            "must be two ports within 1024 to 65535, the first not above the last, as 20000-29999, or auto");
        rules.That(o.MountBase is null || Path.IsPathFullyQualified(o.MountBase), o.MountBase, "must be an absolute path");
        rules.Port(o.MetricsPort);
        rules.Host(o.MetricsHost);
        rules.Positive(o.PortRest, s_longest);
        rules.Positive(o.PruneAge, s_longest);
        rules.Positive(o.PruneEvery, s_longest);
        rules.Positive(o.UsageEvery, s_longest);
        rules.Positive(o.CheckEvery, s_longest);
        rules.Positive(o.StartupLimit, s_longest);
        rules.Positive(o.RuntimeAwayLimit, s_longest);
        rules.Positive(o.NameInUseLimit, s_longest);
        rules.Positive(o.StopGrace, s_longest);
    }
}
