using Plane.Hosting.Configuration;
using Plane.Storage;

namespace Plane.Silo;

/// <summary>Checks what a controller is started with.</summary>
public sealed class ControllerOptionsValidator : OptionsValidator<ControllerOptions>
{
    /// <inheritdoc/>
    protected override void Check(ControllerOptions o, OptionRules rules)
    {
        ArgumentNullException.ThrowIfNull(o);
        ArgumentNullException.ThrowIfNull(rules);
        foreach (var problem in new StoreOptions { Url = o.Db }.Problems())
        {
            rules.That(false, o.Db, problem);
        }

        rules.Host(o.Host);
        rules.Port(o.Port);
        rules.Port(o.MetricsPort);
        rules.That(o.MetricsPort is null or 0 || o.MetricsPort != o.Port, o.MetricsPort, "must be another than --port");
        rules.HttpUrl(o.ControllerUrl);
        rules.Networks(o.TrustedProxies);
        rules.HttpUrl(o.ForwardAuth);
        rules.Positive(o.ForwardAuthTimeout, TimeSpan.FromMinutes(1));
        rules.That(o.TryReadToken(out _, out var token), o.CtrlTokenFile, token);
        rules.Between(o.CleanupMinAgeDays, 0, 36_500);
        rules.Leases(o.LeaseNumbers);
        rules.That(o.Name != default(ControllerName), o.Name, ControllerName.Rule);
        rules.Between(o.StreamKeepAlive, TimeSpan.FromMilliseconds(10), TimeSpan.FromMinutes(5));
        rules.Between(o.MaxStatusStreams, 1, 1_000_000);
    }
}
