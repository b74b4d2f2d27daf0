namespace Plane.DroneHost.Images;

/// <summary>
/// The images that the drone is to have, and how far each is. One that could not be brought is due again after a pause that doubles; one that is there is looked at again now
/// and then, for an engine may be cleaned up. Thread-safe; each image is worked on by one at a time.
/// </summary>
internal sealed class ImageSet(TimeProvider time)
{
    private static readonly TimeSpan s_firstPause = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan s_longestPause = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan s_checkEvery = TimeSpan.FromMinutes(10);

    private readonly Lock _gate = new();
    private readonly List<Entry> _entries = [];

    /// <summary>Raised when <see cref="States"/> has changed.</summary>
    public event Action? Changed;

    /// <summary>Raised when an image may be due sooner than was said.</summary>
    public event Action? MoreDue;

    /// <summary>How far each image is, for the controller.</summary>
    public ImageState[] States()
    {
        lock (_gate)
        {
            return [.. _entries.Select(e => e.State)];
        }
    }

    /// <summary>
    /// Takes a new list. What is as it was stays so; what is no longer wanted, or is to be brought in another way, is given up. Of a new revision the image is looked at again.
    /// </summary>
    public void Want(IReadOnlyList<WantedImage> images)
    {
        List<Entry> dropped;
        lock (_gate)
        {
            var wanted = images.DistinctBy(i => i.Image).Take(ImagePage.MaxImages).ToDictionary(i => i.Image, StringComparer.Ordinal);
            var now = time.GetTimestamp();
            dropped = [.. _entries.Where(e => !wanted.TryGetValue(e.Image.Image, out var image) || image with { Revision = e.Image.Revision } != e.Image)];
            _entries.RemoveAll(dropped.Contains);
            foreach (var entry in _entries)
            {
                wanted.Remove(entry.Image.Image, out var image);
                if (image!.Revision != entry.Image.Revision)
                {
                    entry.Renew(image, now);
                }
            }

            _entries.AddRange(wanted.Values.Select(i => new Entry(i, new Backoff(s_firstPause, s_longestPause, time), now)));
            _entries.Sort((a, b) => string.CompareOrdinal(a.Image.Image, b.Image.Image));
        }

        // Outside the lock: what gives up runs here.
        dropped.ForEach(e => e.Dropped.Cancel());
        Changed?.Invoke();
        MoreDue?.Invoke();
    }

    /// <summary>An image to be brought now, which no one else is given until <see cref="End"/>; or null, and how long there is none.</summary>
    public Entry? TryBegin(out TimeSpan wait)
    {
        lock (_gate)
        {
            var now = time.GetTimestamp();
            var next = _entries.Where(e => !e.IsWorkedOn).MinBy(e => e.DueAt);
            wait = next is null ? s_checkEvery : next.DueAt <= now ? TimeSpan.Zero : time.GetElapsedTime(now, next.DueAt);
            if (next is null || wait > TimeSpan.Zero)
            {
                return null;
            }

            next.IsWorkedOn = true;
            return next;
        }
    }

    /// <summary>An image is being pulled.</summary>
    public void Progress(Entry entry, int percent) => Set(entry, ImageStatus.Pulling, percent, null);

    /// <summary>An image is there.</summary>
    public void Succeed(Entry entry)
    {
        lock (_gate)
        {
            entry.Pauses.Reset();
            entry.WasBrought = true;
            End(entry, s_checkEvery);
        }

        Set(entry, ImageStatus.Ready, null, null);
    }

    /// <summary>An image could not be brought; how long until it is tried again.</summary>
    public TimeSpan Fail(Entry entry, string reason)
    {
        var pause = entry.Pauses.Next();
        lock (_gate)
        {
            End(entry, pause);
        }

        Set(entry, ImageStatus.Failed, null, reason.Length > ImageState.MaxReason ? reason[..(ImageState.MaxReason - 1)] + "…" : reason);
        return pause;
    }

    /// <summary>Work on an image ended without a result.</summary>
    public void Abandon(Entry entry)
    {
        lock (_gate)
        {
            End(entry, TimeSpan.Zero);
        }
    }

    private void End(Entry entry, TimeSpan pause)
    {
        entry.IsWorkedOn = false;
        entry.DueAt = time.GetTimestamp() + (long)(pause.TotalSeconds * time.TimestampFrequency);
    }

    private void Set(Entry entry, ImageStatus status, int? percent, string? reason)
    {
        lock (_gate)
        {
            var now = new ImageState { Image = entry.Image.Image, Status = status, Percent = percent, Reason = reason };
            if (entry.State == now || !_entries.Contains(entry))
            {
                return;
            }

            entry.State = now;
        }

        Changed?.Invoke();
    }

    /// <summary>One image. Its members are written under the set's lock, but for <see cref="Pauses"/>, which belongs to the one that works on it.</summary>
    internal sealed class Entry(WantedImage image, Backoff pauses, long dueAt)
    {
        public WantedImage Image { get; private set; } = image;

        public Backoff Pauses { get; } = pauses;

        /// <summary>Cancelled when it is no longer wanted.</summary>
        public CancellationTokenSource Dropped { get; } = new();

        public ImageState State { get; set; } = new() { Image = image.Image, Status = ImageStatus.Pending };

        /// <summary>Whether it was there once: from then on it is only looked for, whatever its pull policy.</summary>
        public bool WasBrought { get; set; }

        public bool IsWorkedOn { get; set; }

        public long DueAt { get; set; } = dueAt;

        // One that is worked on is brought as it is now in any case.
        public void Renew(WantedImage image, long now)
        {
            Image = image;
            WasBrought &= IsWorkedOn;
            DueAt = IsWorkedOn ? DueAt : now;
        }
    }
}
