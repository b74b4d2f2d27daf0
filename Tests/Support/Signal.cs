using System.ComponentModel;
using System.Runtime.InteropServices;

namespace Plane.Testing;

/// <summary>Signals, by their Linux numbers.</summary>
public enum Signal
{
    Interrupt = 2,
    Quit = 3,
    Kill = 9,
    User1 = 10,
    User2 = 12,
    Terminate = 15,
    Continue = 18,
    Stop = 19,
}

/// <summary>Sends them.</summary>
public static class Signals
{
    private const int NoSuchProcess = 3;

    /// <summary>Sends <paramref name="signal"/>; false if there is no such process any more.</summary>
    public static bool Send(int pid, Signal signal)
    {
        // A pid of 0 or below would address whole process groups: the test run itself.
        ArgumentOutOfRangeException.ThrowIfLessThan(pid, 2);
        if (kill(pid, (int)signal) == 0)
        {
            return true;
        }

        var error = Marshal.GetLastPInvokeError();
        return error == NoSuchProcess ? false : throw new Win32Exception(error);
    }

    /// <summary>Whether a process of that id exists and is no zombie.</summary>
    public static bool IsAlive(int pid)
    {
        try
        {
            var stat = File.ReadAllText($"/proc/{pid}/stat");
            return stat[stat.LastIndexOf(')') + 2] is not ('Z' or 'X');
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException or IOException)
        {
            return false;
        }
    }

    [DllImport("libc", SetLastError = true)]
    private static extern int kill(int pid, int signal);
}
