namespace Plane.Hosting;

/// <summary>Configuration values that cannot be used. Each problem names its option. Exit code <see cref="ExitCodes.Usage"/>.</summary>
public sealed class UsageException : Exception
{
    /// <summary>Makes one.</summary>
    public UsageException()
        : this("wrong usage")
    {
    }

    /// <summary>Makes one.</summary>
    /// <param name="message">The one problem.</param>
    public UsageException(string message)
        : this([message])
    {
    }

    /// <summary>Makes one.</summary>
    /// <param name="message">The one problem.</param>
    /// <param name="innerException">The cause.</param>
    public UsageException(string message, Exception innerException)
        : base(message, innerException) => Problems = [message];

    /// <summary>Makes one.</summary>
    /// <param name="problems">Every problem found; each names its option.</param>
    public UsageException(IReadOnlyList<string> problems)
        : base(string.Join(Environment.NewLine, problems)) => Problems = problems;

    /// <summary>Every problem found.</summary>
    public IReadOnlyList<string> Problems { get; }

    /// <summary>Throws if there is any problem: what a role does with its options before it builds anything.</summary>
    /// <param name="problems">What the options' own <c>Problems()</c> says.</param>
    public static void ThrowIfAny(IEnumerable<string> problems)
    {
        var all = problems.ToArray();
        if (all.Length > 0)
        {
            throw new UsageException(all);
        }
    }
}
