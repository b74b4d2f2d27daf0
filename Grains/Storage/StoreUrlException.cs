namespace Plane.Grains.Storage;

/// <summary>The text names no store; the message says what is wrong with it and never repeats a password.</summary>
public sealed class StoreUrlException : Exception
{
    /// <summary>Makes one.</summary>
    public StoreUrlException()
    {
    }

    /// <summary>Makes one.</summary>
    /// <param name="message">What is wrong; no password.</param>
    public StoreUrlException(string message)
        : base(message)
    {
    }

    /// <summary>Makes one.</summary>
    /// <param name="message">What is wrong; no password.</param>
    /// <param name="innerException">The cause.</param>
    public StoreUrlException(string message, Exception innerException)
        : base(message, innerException)
    {
    }
}
