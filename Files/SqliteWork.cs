namespace Plane.Files;

/// <summary>A piece of work for a <see cref="SqliteWriter{TSession}"/>, and its answer.</summary>
internal abstract class SqliteWork<TSession>(bool writes, bool durable, bool alone)
{
    public bool Writes { get; } = writes;

    /// <summary>Whether its answer waits until a power failure can't take back what it wrote.</summary>
    public bool Durable { get; } = durable;

    /// <summary>Whether it has a transaction of its own.</summary>
    public bool Alone { get; } = alone;

    public abstract void Run(TSession session);

    public abstract void Fail(Exception error);

    public abstract void Complete();
}

internal sealed class SqliteWork<TSession, T>(Func<TSession, T> run, bool writes, bool durable, bool alone, CancellationToken cancellationToken)
    : SqliteWork<TSession>(writes, durable, alone)
{
    private readonly TaskCompletionSource<T> _answer = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private T _result = default!;
    private Exception? _error;

    public Task<T> Answer => _answer.Task;

    public override void Run(TSession session)
    {
        _error = null;
        cancellationToken.ThrowIfCancellationRequested();
        _result = run(session);
    }

    public override void Fail(Exception error) => _error ??= error;

    public override void Complete()
    {
        if (_error is OperationCanceledException canceled)
        {
            _answer.TrySetCanceled(canceled.CancellationToken);
        }
        else if (_error is not null)
        {
            _answer.TrySetException(_error);
        }
        else
        {
            _answer.TrySetResult(_result);
        }
    }
}
