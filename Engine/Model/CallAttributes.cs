namespace Orleans.Concurrency
{
    /// <summary>The method may run while the activation is busy with any other call.</summary>
    [AttributeUsage(AttributeTargets.Method)]
    public sealed class AlwaysInterleaveAttribute : Attribute;

    /// <summary>All calls of the grain may run interleaved at their awaits.</summary>
    [AttributeUsage(AttributeTargets.Class)]
    public sealed class ReentrantAttribute : Attribute;

    /// <summary>The caller does not wait for the method, nor learn of its failure.</summary>
    [AttributeUsage(AttributeTargets.Method)]
    public sealed class OneWayAttribute : Attribute;

    /// <summary>
    /// Activations of the grain belong to the silo that is asked, and each silo has its own: no directory knows them. This engine has one silo, and allows
    /// one activation in it, which is what every grain has here.
    /// </summary>
    /// <param name="maxLocalWorkers">How many activations of one key a silo may have: 1.</param>
    [AttributeUsage(AttributeTargets.Class)]
    public sealed class StatelessWorkerAttribute(int maxLocalWorkers) : Attribute
    {
        /// <summary>How many activations of one key a silo may have.</summary>
        public int MaxLocalWorkers { get; } = maxLocalWorkers;
    }
}

namespace Orleans
{
    /// <summary>How long the caller of this method waits before a <see cref="TimeoutException"/>.</summary>
    /// <param name="timeout">A time span in the format of <see cref="TimeSpan.Parse(string)"/>.</param>
    [AttributeUsage(AttributeTargets.Method)]
    public sealed class ResponseTimeoutAttribute(string timeout) : Attribute
    {
        /// <summary>The time-out.</summary>
        public TimeSpan? Timeout { get; init; } = TimeSpan.Parse(timeout, System.Globalization.CultureInfo.InvariantCulture);
    }
}
