using System.Buffers;
using System.IO.Pipelines;

namespace Plane.Hosting;

/// <summary>A connection whose beginning is looked at as it is read; nothing is taken of it.</summary>
/// <param name="inner">The connection.</param>
/// <param name="hasSeen">Is given all that has arrived of the beginning, until it answers that this was enough.</param>
internal sealed class WatchedPipe(IDuplexPipe inner, Func<ReadOnlySequence<byte>, bool> hasSeen) : IDuplexPipe
{
    public PipeReader Input { get; } = new Reader(inner.Input, hasSeen);

    public PipeWriter Output => inner.Output;

    private sealed class Reader(PipeReader inner, Func<ReadOnlySequence<byte>, bool> hasSeen) : PipeReader
    {
        private bool _isOver;

        public override void AdvanceTo(SequencePosition consumed) => inner.AdvanceTo(consumed);

        public override void AdvanceTo(SequencePosition consumed, SequencePosition examined) => inner.AdvanceTo(consumed, examined);

        public override void CancelPendingRead() => inner.CancelPendingRead();

        public override void Complete(Exception? exception = null) => inner.Complete(exception);

        public override ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default) =>
            _isOver ? inner.ReadAsync(cancellationToken) : ReadWatchedAsync(cancellationToken);

        public override bool TryRead(out ReadResult result)
        {
            var isThere = inner.TryRead(out result);
            if (isThere)
            {
                Look(result);
            }

            return isThere;
        }

        private async ValueTask<ReadResult> ReadWatchedAsync(CancellationToken cancellationToken)
        {
            var result = await inner.ReadAsync(cancellationToken);
            Look(result);
            return result;
        }

        private void Look(ReadResult result) => _isOver = _isOver || hasSeen(result.Buffer);
    }
}
