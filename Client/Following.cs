namespace Plane.Client;

/// <summary>
/// The one rule of answers that continue: until the first answer a failure is the caller's, who may have the wrong address; from then on a lost connection, an answer that breaks off and a controller that is unavailable for the
/// moment are waited out, until the caller cancels. An unavailable database is waited for from the beginning: the controller is the right one.
/// </summary>
internal sealed class Following
{
    private readonly Backoff _backoff = new(TimeSpan.FromMilliseconds(100), TimeSpan.FromSeconds(2), TimeProvider.System);
    private bool _wasAnswered;

    /// <summary>The controller has begun to answer.</summary>
    public void Answered() => _wasAnswered = true;

    /// <summary>Something has come: the next pause is the first again.</summary>
    public void Progressed() => _backoff.Reset();

    /// <summary>Whether the request is sent again.</summary>
    public bool GoesOnAfter(Exception failure) => failure switch
    {
        RefusedException { IsTemporary: true } refused => _wasAnswered || refused.Error.Kind == ErrorKind.DatabaseError,
        ControllerUnreachableException => _wasAnswered,
        _ => false,
    };

    /// <summary>Waits before asking again.</summary>
    public Task PauseAsync(CancellationToken cancellationToken) => _backoff.WaitAsync(cancellationToken);
}
