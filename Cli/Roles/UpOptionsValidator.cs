using System.Net;
using Plane.Hosting.Configuration;
using Plane.Hosting;

namespace Plane.Cli.Roles;

/// <summary>Checks what <c>plane up</c> is started with and no role checks itself.</summary>
internal sealed class UpOptionsValidator : OptionsValidator<UpOptions>
{
    protected override void Check(UpOptions o, OptionRules rules)
    {
        rules.Path(o.Data);
        rules.That(IPAddress.TryParse(o.Host, out _), o.Host, "must be an IP address");

        // A caller of /ctrl can run any command as this user: from other machines only where the operator says so.
        rules.That(
            o.Runtime != "auto" || o.CtrlTokenFile is not null || WebListener.IsLoopback(o.Host),
            o.Host,
            "lets other machines run commands on this one, as the user who runs plane: protect /ctrl with --ctrl-token-file, or say what may run with --runtime docker (or docker,process)");
        rules.Port(o.Port);
        rules.Port(o.ProxyPort);
        rules.Port(o.GatewayPort);
        rules.Port(o.DnsPort);
        rules.That(o.Port != o.ProxyPort || o.Port == 0, o.ProxyPort, "must be another than --port");
    }
}
