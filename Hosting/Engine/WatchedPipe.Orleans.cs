using System.Buffers;
using System.IO.Pipelines;

namespace Plane.Hosting;

/// <summary>Looks at what a connection brings, and takes nothing of it.</summary>
internal interface IPipeWatcher
{
    /// <summary>Whether it has seen enough.</summary>
    bool IsOver { get; }

    /// <summary>What has arrived and was not taken yet. It begins where that which was taken last ended; what is not taken is seen again.</summary>
    void Saw(ReadOnlySequence<byte> unread);

    /// <summary>A message, or several, were taken of it.</summary>
    void Took();
}

/// <summary>A connection whose incoming side is looked at as it is read.</summary>
internal sealed class WatchedPipe(IDuplexPipe inner, IPipeWatcher watcher) : IDuplexPipe
{
    public PipeReader Input { get; } = new Reader(inner.Input, watcher);

    public PipeWriter Output => inner.Output;

    private sealed class Reader(PipeReader inner, IPipeWatcher watcher) : PipeReader
    {
        private SequencePosition _start;

        public override void AdvanceTo(SequencePosition consumed) => AdvanceTo(consumed, consumed);

        public override void AdvanceTo(SequencePosition consumed, SequencePosition examined)
        {
            if (!watcher.IsOver && !consumed.Equals(_start))
            {
                watcher.Took();
            }

            inner.AdvanceTo(consumed, examined);
        }

        public override void CancelPendingRead() => inner.CancelPendingRead();

        public override void Complete(Exception? exception = null) => inner.Complete(exception);

        public override ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default) =>
            watcher.IsOver ? inner.ReadAsync(cancellationToken) : ReadWatchedAsync(cancellationToken);

        public override bool TryRead(out ReadResult result)
        {
            if (!inner.TryRead(out result))
            {
                return false;
            }

            Look(result);
            return true;
        }

        private async ValueTask<ReadResult> ReadWatchedAsync(CancellationToken cancellationToken)
        {
            var result = await inner.ReadAsync(cancellationToken);
            Look(result);
            return result;
        }

        private void Look(ReadResult result)
        {
            if (!watcher.IsOver)
            {
                _start = result.Buffer.Start;
                watcher.Saw(result.Buffer);
            }
        }
    }
}
