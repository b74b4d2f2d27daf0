using Orleans.Contract;

namespace Orleans.Calls;

/// <summary>Carries a call to its grain: in-process to the silo, or over a gateway.</summary>
internal interface ICallTransport
{
    /// <summary>Starts the call. The task ends with the result, the grain's failure, a time-out or a cancellation; at once for one-way methods.</summary>
    Task<T> CallAsync<T>(MethodModel<T> method, string key, object?[] arguments, CancellationToken cancellation);
}
