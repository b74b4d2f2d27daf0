using Microsoft.Extensions.Hosting;

namespace Plane.Hosting.Running;

/// <summary>Lets a role end its own program with a reason and an exit code, as a drone does whose name is taken by another.</summary>
/// <param name="lifetime">The host's lifetime.</param>
public sealed class HostExit(IHostApplicationLifetime lifetime)
{
    private readonly Lock _lock = new();

    /// <summary>The first reason given, or <see langword="null"/>.</summary>
    public string? Reason { get; private set; }

    /// <summary>What the program exits with.</summary>
    public int Code { get; private set; } = ExitCodes.Done;

    /// <summary>Stops the host. The first reason counts: what follows from it is not new.</summary>
    /// <param name="code">One of <see cref="ExitCodes"/>.</param>
    /// <param name="reason">Why, for the operator; holds no secret.</param>
    public void Request(int code, string reason)
    {
        lock (_lock)
        {
            if (Reason is null)
            {
                Reason = reason;
                Code = code;
            }
        }

        lifetime.StopApplication();
    }
}
