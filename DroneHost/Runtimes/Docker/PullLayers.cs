using Docker.DotNet.Models;

namespace Plane.DroneHost.Runtimes.Docker;

/// <summary>How far a pull is, by what the engine says of its layers. Their sizes are known only once each is being downloaded, so every layer counts alike. For one pull's messages, in their order.</summary>
internal sealed class PullLayers
{
    private const int Most = 1_000;
    private const int LongestId = 200;

    // Unpacking is the shorter part.
    private const double Downloaded = 0.8;

    private readonly Dictionary<string, double> _done = new(StringComparer.Ordinal);
    private readonly Dictionary<string, JSONProgress> _downloads = new(StringComparer.Ordinal);
    private int _percent;

    /// <summary>Whether anything is known of downloads.</summary>
    public bool HasDownloads => _downloads.Count > 0;

    /// <summary>Megabytes that were downloaded, of the layers whose size is known.</summary>
    public double Megabytes => _downloads.Values.Sum(l => BytesOf(l.Current)) / 1e6;

    /// <summary>Megabytes of the layers whose size is known.</summary>
    public double TotalMegabytes => _downloads.Values.Sum(l => BytesOf(l.Total)) / 1e6;

    /// <summary>Per cent, 0 to 99: never less than before, though the engine names further layers later.</summary>
    public int Percent => _percent = Math.Max(_percent, _done.Count == 0 ? 0 : Math.Min(99, (int)(_done.Values.Average() * 100)));

    /// <summary>Takes a message.</summary>
    public void Take(JSONMessage? message)
    {
        if (message is not { ID: { Length: > 0 and < LongestId } id } || (_done.Count >= Most && !_done.ContainsKey(id)))
        {
            return;
        }

        if (message is { Status: "Downloading", Progress: { Total: > 0 } download })
        {
            _downloads[id] = download;
        }

        if (DoneOf(message) is { } done)
        {
            _done[id] = Math.Max(done, _done.GetValueOrDefault(id));
        }
    }

    // Other messages have an id too, as the first, whose id is the tag.
    private static double? DoneOf(JSONMessage message) => message.Status switch
    {
        "Pulling fs layer" or "Waiting" => 0,
        "Downloading" => Downloaded * ShareOf(message.Progress),
        "Verifying Checksum" or "Download complete" => Downloaded,
        "Extracting" => Downloaded + ((1 - Downloaded) * ShareOf(message.Progress)),
        "Pull complete" or "Already exists" => 1,
        _ => null,
    };

    private static double BytesOf(long? bytes) => bytes ?? 0;

    private static double ShareOf(JSONProgress? progress) =>
        progress is { Total: > 0 and var total, Current: >= 0 and var current } ? Math.Min(1, (double)current / (double)total) : 0;
}
