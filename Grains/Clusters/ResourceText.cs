using System.Globalization;
using Plane.Storage;

namespace Plane.Grains.Clusters;

/// <summary>Amounts of one resource, in words.</summary>
internal static class ResourceText
{
    private const double MiB = 1 << 20;
    private const double GiB = 1 << 30;

    /// <summary>What is needed, in words, as <c>4 GiB of memory</c>. Rounded up, so that it is not shown as what there is of it.</summary>
    public static string Need(this Resource resource, long amount) => resource switch
    {
        Resource.Cpu => string.Create(CultureInfo.InvariantCulture, $"{amount / 1000.0:0.###} {(amount == 1_000 ? "CPU" : "CPUs")}"),
        Resource.Memory => $"{Bytes(amount, Math.Ceiling)} of memory",
        Resource.Disk => $"{Bytes(amount, Math.Ceiling)} of disk",
        _ => string.Create(CultureInfo.InvariantCulture, $"{amount} {(amount == 1 ? "GPU" : "GPUs")}"),
    };

    /// <summary>What there is, as <c>2.1 GiB</c>. Rounded down.</summary>
    public static string Amount(this Resource resource, long amount) => resource switch
    {
        Resource.Cpu => string.Create(CultureInfo.InvariantCulture, $"{amount / 1000.0:0.###}"),
        Resource.Gpus => string.Create(CultureInfo.InvariantCulture, $"{amount}"),
        _ => Bytes(amount, Math.Floor),
    };

    /// <summary>Its name after an amount.</summary>
    public static string Noun(this Resource resource) => resource switch
    {
        Resource.Cpu => "CPUs",
        Resource.Memory => "of memory",
        Resource.Disk => "of disk",
        _ => "GPUs",
    };

    private static string Bytes(long bytes, Func<double, double> round) =>
        bytes < MiB ? string.Create(CultureInfo.InvariantCulture, $"{bytes} bytes")
        : bytes < GiB ? string.Create(CultureInfo.InvariantCulture, $"{round(bytes / MiB * 10) / 10:0.#} MiB")
        : string.Create(CultureInfo.InvariantCulture, $"{round(bytes / GiB * 10) / 10:0.#} GiB");
}
