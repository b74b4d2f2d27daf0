using System.Runtime.InteropServices;

namespace Plane.Cli.Operator;

/// <summary>
/// Ctrl-C and SIGTERM, which end an operator's command: the first one cancels it, so that it can restore the terminal. A command that does not react, as while it reads standard input, is ended after 2 s, and by a second
/// signal at once.
/// </summary>
internal sealed class Interruption : IDisposable
{
    private static readonly TimeSpan s_grace = TimeSpan.FromSeconds(2);

    // Not disposed: a signal may come while the command ends.
    private readonly CancellationTokenSource _cancel = new();
    private readonly PosixSignalRegistration[] _registrations;
    private ITimer? _grace;
    private int _exitCode;

    public Interruption() => _registrations = [Register(PosixSignal.SIGINT, 2), Register(PosixSignal.SIGTERM, 15)];

    /// <summary>Cancelled by the first signal.</summary>
    public CancellationToken Token => _cancel.Token;

    /// <summary>128 and the signal's number, as a shell expects of a program that was interrupted.</summary>
    public int ExitCode => Volatile.Read(ref _exitCode);

    public void Dispose()
    {
        foreach (var registration in _registrations)
        {
            registration.Dispose();
        }

        Volatile.Read(ref _grace)?.Dispose();
    }

    private PosixSignalRegistration Register(PosixSignal signal, int number) => PosixSignalRegistration.Create(signal, context =>
    {
        if (Interlocked.CompareExchange(ref _exitCode, 128 + number, 0) != 0)
        {
            // The next one: as if we did not listen.
            return;
        }

        context.Cancel = true;
        Volatile.Write(ref _grace, TimeProvider.System.CreateTimer(static code => Environment.Exit((int)code!), 128 + number, s_grace, Timeout.InfiniteTimeSpan));
        _cancel.Cancel();
    });
}
