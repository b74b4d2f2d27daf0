using System.Globalization;
using System.Text.RegularExpressions;

namespace Plane.Silo.Dashboard;

/// <summary>What the dashboard says in words.</summary>
public static partial class Words
{
    /// <summary>A time span, as <c>12 s</c> or <c>3 min</c>.</summary>
    /// <param name="span">The span.</param>
    public static string Span(TimeSpan span) => span.TotalSeconds switch
    {
        < 0 => "0 s",
        < 1 => string.Create(CultureInfo.InvariantCulture, $"{span.TotalMilliseconds:0} ms"),
        < 10 => string.Create(CultureInfo.InvariantCulture, $"{span.TotalSeconds:0.0} s"),
        < 120 => string.Create(CultureInfo.InvariantCulture, $"{span.TotalSeconds:0} s"),
        < 7_200 => string.Create(CultureInfo.InvariantCulture, $"{span.TotalMinutes:0} min"),
        < 172_800 => string.Create(CultureInfo.InvariantCulture, $"{span.TotalHours:0} h"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{span.TotalDays:0} d"),
    };

    /// <summary>A limit in the largest unit that it is a whole number of, as <c>30 min</c> or <c>90 s</c>.</summary>
    /// <param name="seconds">The seconds.</param>
    public static string Limit(long seconds) => seconds switch
    {
        > 0 when seconds % 3_600 == 0 => string.Create(CultureInfo.InvariantCulture, $"{seconds / 3_600} h"),
        > 0 when seconds % 60 == 0 => string.Create(CultureInfo.InvariantCulture, $"{seconds / 60} min"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{seconds} s"),
    };

    /// <summary>A time of day in UTC.</summary>
    /// <param name="time">The time.</param>
    public static string Clock(DateTimeOffset time) => time.UtcDateTime.ToString("HH:mm:ss", CultureInfo.InvariantCulture);

    /// <summary>A time in UTC with its date.</summary>
    /// <param name="time">The time.</param>
    public static string Moment(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss'Z'", CultureInfo.InvariantCulture);

    /// <summary>Bytes, as <c>12.3 MiB</c>.</summary>
    /// <param name="bytes">The bytes.</param>
    public static string Bytes(long bytes) => bytes switch
    {
        0 => "0",
        < 1 << 20 => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1024.0:0} KiB"),
        < 1 << 30 => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1048576.0:0.0} MiB"),
        < 100L << 30 => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1073741824.0:0.00} GiB"),
        < 1L << 40 => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1073741824.0:0} GiB"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1099511627776.0:0.00} TiB"),
    };

    /// <summary>A number.</summary>
    /// <param name="count">The number.</param>
    public static string Count(long count) => count.ToString(CultureInfo.InvariantCulture);

    /// <summary>Thousandths of a core, as <c>1.5</c>.</summary>
    /// <param name="millis">The thousandths.</param>
    public static string Cores(long millis) => string.Create(CultureInfo.InvariantCulture, $"{millis / 1000.0:0.##}");

    /// <summary>A part of the machine's processors.</summary>
    /// <param name="cpus">How many.</param>
    public static string Cpus(double cpus) => cpus.ToString("0.00", CultureInfo.InvariantCulture);

    /// <summary>A key, with its namespace where it has one.</summary>
    /// <param name="key">The key.</param>
    public static string Key(KeyInfo key)
    {
        ArgumentNullException.ThrowIfNull(key);
        return key.Namespace.Length > 0 ? $"{key.Namespace}/{key.Name}" : key.Name;
    }

    /// <summary>A text of a backend or a drone without the sequences that colour a terminal, and without other control characters than tabs and ends of lines.</summary>
    /// <param name="text">The text.</param>
    public static string Plain(string text) => Escapes().Replace(text, "");

    /// <summary>Why a backend ends or ended.</summary>
    /// <param name="reason">The reason, none where it exited by itself.</param>
    /// <param name="exitError">Whether it exited with an error.</param>
    public static string Why(TerminationReason? reason, bool? exitError) => reason switch
    {
        TerminationReason.Swept => "idle or over its lifetime",
        TerminationReason.External => "it was asked to end",
        TerminationReason.KeyExpired => "its key could not be renewed",
        TerminationReason.Lost => "its drone did not report until the lease had expired",
        TerminationReason.StartupTimeout => "it did not answer in time",
        TerminationReason.InternalError => "it failed to start or to keep running",
        _ => exitError == true ? "it exited with an error" : "it exited by itself",
    };

    /// <summary>Whether an end is one that an operator wants to know of.</summary>
    /// <param name="happened">What happened.</param>
    public static bool IsFailure(ClusterEvent happened)
    {
        ArgumentNullException.ThrowIfNull(happened);
        return happened is { Kind: ClusterEventKind.Backend, Status: BackendStatus.Terminated }
            && (happened.ExitError == true
                || happened.TerminationReason is TerminationReason.Lost or TerminationReason.InternalError or TerminationReason.StartupTimeout or TerminationReason.KeyExpired);
    }

    /// <summary>What happened.</summary>
    /// <param name="happened">The event.</param>
    public static string What(ClusterEvent happened)
    {
        ArgumentNullException.ThrowIfNull(happened);
        return happened.Kind switch
        {
            ClusterEventKind.Backend when happened.Status == BackendStatus.Terminated => "ended: " + Why(happened.TerminationReason, happened.ExitError),
            ClusterEventKind.Backend => happened.Status?.WireName() ?? "",
            ClusterEventKind.TokenRevoked => "a connection token was revoked",
            ClusterEventKind.DroneRegistered => "registered",
            ClusterEventKind.DroneDrained => "drained: takes no new backends",
            ClusterEventKind.DroneUndrained => "takes new backends again",
            ClusterEventKind.Service => "a service was made or changed",
            ClusterEventKind.ServiceDeleted => "a service was deleted",
            _ => happened.Kind.ToString(),
        };
    }

    /// <summary>How a drone is.</summary>
    /// <param name="drone">The drone.</param>
    public static string State(DroneState drone)
    {
        ArgumentNullException.ThrowIfNull(drone);
        return drone.Draining ? "draining" : drone.Ready ? "ready" : "not ready";
    }

    /// <summary>How far a drone is with an image.</summary>
    /// <param name="image">The image on the drone.</param>
    public static string Image(ServiceImage image)
    {
        ArgumentNullException.ThrowIfNull(image);
        return image.Status switch
        {
            ImageStatus.Ready => "ready",
            ImageStatus.Failed => "failed, tried again",
            ImageStatus.Pulling when image.Percent is { } percent => string.Create(CultureInfo.InvariantCulture, $"pulling, {percent} %"),
            ImageStatus.Pulling => "pulling",
            _ => "waits",
        };
    }

    /// <summary>The style of an image's state.</summary>
    /// <param name="status">The state.</param>
    public static string StyleOf(ImageStatus status) => status switch
    {
        ImageStatus.Ready => "is-ready",
        ImageStatus.Failed => "is-failed",
        _ => "is-starting",
    };

    /// <summary>What runs a backend.</summary>
    /// <param name="kind">The kind.</param>
    public static string Kind(ExecutorKind kind) => kind == ExecutorKind.Docker ? "containers" : "processes";

    // As in dashboard.js, which has one line at a time.
    [GeneratedRegex(@"\u001b(?:\[[0-?]*[ -/]*[@-~]?|[\]PX^_][^\u0007\\\n]*(?:\u0007|\\)?|.)?|[\u0000-\u0008\u000b-\u001f\u007f-\u009f]")]
    private static partial Regex Escapes();
}
