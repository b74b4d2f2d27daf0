using Orleans;

namespace Plane;

/// <summary>
/// A grain refused a call, because an argument or the grain's own key breaks a rule of the contract. Nothing was done, and the same call is refused again: unlike
/// a failure of <see cref="CallFailed.IsUnknownOutcome"/> it is not worth a retry.
/// </summary>
[GenerateSerializer, Alias("plane.InvalidCallException")]
public sealed class InvalidCallException : Exception
{
    /// <summary>Makes one.</summary>
    public InvalidCallException()
    {
    }

    /// <summary>Makes one.</summary>
    /// <param name="message">What is wrong.</param>
    public InvalidCallException(string message)
        : base(message)
    {
    }

    /// <summary>Makes one.</summary>
    /// <param name="message">What is wrong.</param>
    /// <param name="innerException">The cause.</param>
    public InvalidCallException(string message, Exception innerException)
        : base(message, innerException)
    {
    }

    /// <summary>Refuses a call whose argument has an error.</summary>
    /// <param name="error">The error, or <see langword="null"/>.</param>
    /// <exception cref="InvalidCallException">There is an error.</exception>
    public static void ThrowIf(FieldError? error)
    {
        if (error is not null)
        {
            throw new InvalidCallException(error.Message);
        }
    }
}
