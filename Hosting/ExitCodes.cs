namespace Plane.Hosting;

/// <summary>What every program of Plane exits with.</summary>
public static class ExitCodes
{
    /// <summary>Done.</summary>
    public const int Done = 0;

    /// <summary>Refused, or failed while running.</summary>
    public const int Refused = 1;

    /// <summary>Wrong usage or a bad configuration value; the message names it.</summary>
    public const int Usage = 2;

    /// <summary>The controller could not be reached.</summary>
    public const int Unreachable = 3;
}
