using Orleans;
using Orleans.Concurrency;

namespace Plane;

/// <summary>
/// A grain that keeps nothing and that each controller answers for, under each of its numbered keys (<see cref="GrainKeys"/>). Different keys may lead over different gateways, so a
/// caller can find a controller that answers.
/// </summary>
[Alias("plane.IReachable")]
public interface IReachable : IGrainWithStringKey
{
    /// <summary>Answers at once and asks the database nothing: whether the controller that this key leads to is alive.</summary>
    /// <exception cref="Orleans.Runtime.OrleansException">It is, and its database does not answer it.</exception>
    [Alias("Ping"), AlwaysInterleave, ResponseTimeout("00:00:03")]
    Task Ping(CancellationToken cancellationToken = default);
}
