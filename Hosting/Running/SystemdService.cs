using System.Globalization;
using Microsoft.Extensions.Hosting.Systemd;

namespace Plane.Hosting.Running;

/// <summary>Whether systemd started this process as a service.</summary>
internal static class SystemdService
{
    /// <summary>
    /// By the variable that systemd sets, and only then as .NET 10 finds out: it reads the parent's name in <c>/proc</c>, which a unit with <c>ProtectProc=invisible</c> hides.
    /// </summary>
    public static bool IsThis { get; } =
        Environment.GetEnvironmentVariable("SYSTEMD_EXEC_PID") == Environment.ProcessId.ToString(CultureInfo.InvariantCulture) || SystemdHelpers.IsSystemdService();
}
