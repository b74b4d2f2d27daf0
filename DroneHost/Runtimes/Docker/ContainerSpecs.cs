using System.Globalization;
using System.Net;
using Docker.DotNet.Models;

namespace Plane.DroneHost.Runtimes.Docker;

/// <summary>Makes the request to create a container out of what is to be started.</summary>
internal static class ContainerSpecs
{
    /// <summary>Where a backend listens, as it sees it.</summary>
    public const int Port = 8080;

    /// <summary>Where its mount is, as it sees it.</summary>
    public const string MountTarget = "/plane-data";

    private const long DefaultPeriod = 100_000;

    // The kernel's least quota (CONFIG_CFS_BANDWIDTH, min_cfs_quota_period).
    private const long LeastQuota = 1_000;

    // The kernel's bounds of cpu.shares, and the engine's of a reservation.
    private const long SharesOfCore = 1_024;
    private const long LeastShares = 2;
    private const long MostShares = 262_144;
    private const long LeastReservation = 6 << 20;

    private static readonly string PortKey = string.Create(CultureInfo.InvariantCulture, $"{Port}/tcp");

    /// <summary>The request.</summary>
    /// <param name="start">The backend.</param>
    /// <param name="image">Its image.</param>
    /// <param name="options">The drone's settings.</param>
    public static CreateContainerParameters Compose(BackendStart start, ImageReference image, DockerRuntimeOptions options)
    {
        var limits = start.Executable.ResourceLimits;
        var (period, quota) = Cpu(limits);
        return new CreateContainerParameters
        {
            Name = GuardTarget.ContainerOf(start.Identity),
            Image = image.Text,
            Env = [.. BackendEnvironment.Compose(start, Port).Select(v => $"{v.Key}={v.Value}")],
            Cmd = start.Executable.Command!,
            Labels = ContainerLabels.For(start.Identity, options.InstanceId),
            ExposedPorts = new Dictionary<string, EmptyStruct> { [PortKey] = default },
            HostConfig = new HostConfig
            {
                PortBindings = new Dictionary<string, IList<PortBinding>>
                {
                    [PortKey] = [new PortBinding { HostIP = CheckedIp(start.Ip), HostPort = start.Port.ToString(CultureInfo.InvariantCulture) }],
                },
                Memory = limits?.MemoryLimitBytes ?? 0,

                // Without it the engine grants as much swap again: the limit would be twice what was asked for, and slow.
                MemorySwap = limits?.MemoryLimitBytes ?? 0,
                MemoryReservation = ReservationOf(start.Executable.ResourceRequests),
                CPUShares = SharesOf(start.Executable.ResourceRequests),
                CPUPeriod = period ?? 0,
                CPUQuota = quota ?? 0,
                Ulimits = limits?.CpuTimeLimit is { } seconds ? [new Ulimit { Name = "cpu", Soft = seconds, Hard = seconds }] : null!,
                StorageOpt = limits?.DiskLimitBytes is { } bytes ? new Dictionary<string, string> { ["size"] = bytes.ToString(CultureInfo.InvariantCulture) } : null,
                LogConfig = new LogConfig { Type = options.LogDriver, Config = options.LogOptions },
                Runtime = options.Runtime,
                Init = true,
                SecurityOpt = ["no-new-privileges"],
                PidsLimit = options.PidsLimit,
                RestartPolicy = new RestartPolicy { Name = RestartPolicyKind.No },
                DeviceRequests = start.Executable.Gpus is { } count ? [new DeviceRequest { Count = count, Capabilities = [["gpu"]] }] : null!,
                NetworkMode = NetworkRules.Choose(start.Executable.NetworkName, options) ?? "",
            },
        };
    }

    /// <summary>Whether the engine publishes the container's port at the address now: for as long as it runs, no other program can listen there.</summary>
    public static bool IsPublished(ContainerInspectResponse container, IPEndPoint address) =>
        container.State is { Running: true }
        && BindingsIn(container.NetworkSettings?.Ports).Any(b =>
            IPAddress.TryParse(b.HostIP, out var ip)
            && ip.Equals(address.Address)
            && b.HostPort == address.Port.ToString(CultureInfo.InvariantCulture));

    /// <summary>The same, as a listing has it.</summary>
    public static bool IsPublished(ContainerListResponse container, IPEndPoint address) =>
        (container.Ports ?? []).Any(p => p.PrivatePort == Port && p.PublicPort == address.Port && IPAddress.TryParse(p.IP, out var ip) && ip.Equals(address.Address));

    /// <summary>The address of a container's port on the host, or null.</summary>
    public static string? AddressOf(ContainerInspectResponse container) =>
        BindingsIn(container.HostConfig?.PortBindings) is [{ } binding, ..]
        && IPAddress.TryParse(binding.HostIP, out var ip)
        && ushort.TryParse(binding.HostPort, NumberStyles.None, CultureInfo.InvariantCulture, out var port)
            ? new IPEndPoint(ip, port).ToString()
            : null;

    /// <summary>Adds the directory of a mount.</summary>
    public static void AddMount(CreateContainerParameters spec, string source) =>
        spec.HostConfig!.Mounts = [new Mount { Type = "bind", Source = source, Target = MountTarget }];

    private static IList<PortBinding> BindingsIn(IDictionary<string, IList<PortBinding>>? ports) =>
        ports is not null && ports.TryGetValue(PortKey, out var bindings) && bindings is not null ? bindings : [];

    private static string CheckedIp(string ip) =>
        IPAddress.TryParse(ip, out var address) && !address.Equals(IPAddress.Any) && !address.Equals(IPAddress.IPv6Any)
            ? address.ToString()
            : throw new RuntimeFailureException($"A backend's port is published on one address, not on '{RuntimeText.Shown(ip)}'.");

    // As many per core as a container has that asks for none; 0 is that.
    private static long SharesOf(ResourceRequests? requests) =>
        requests?.CpuMillis is > 0 and var millis ? Math.Clamp(millis * SharesOfCore / 1_000, LeastShares, MostShares) : 0;

    private static long ReservationOf(ResourceRequests? requests) => requests?.MemoryBytes is >= LeastReservation and var bytes ? bytes : 0;

    private static (long? Period, long? Quota) Cpu(ResourceLimits? limits)
    {
        if (limits?.CpuPeriodPercent is not { } percent)
        {
            return (limits?.CpuPeriod, null);
        }

        var period = limits.CpuPeriod ?? DefaultPeriod;
        var quota = period * percent / 100;
        return quota >= LeastQuota
            ? (period, quota)
            : throw new RuntimeFailureException(
                $"resource_limits: {percent} % of a cpu_period of {period} µs is a quota of {quota} µs; the kernel's least is {LeastQuota} µs. Use a longer period.");
    }
}
