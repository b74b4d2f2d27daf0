using System.Text.Json;
using Orleans.Runtime;
using Orleans.Serialization;

namespace Orleans.Contract;

/// <summary>
/// Exceptions across the wire: a kind out of a closed set, a message, and the original type's name as text. No stack trace leaves the silo, and no type is
/// loaded because a peer named it.
/// </summary>
internal static class ExceptionWire
{
    private const int MaxMessage = 4096;

    public static (string Kind, string Message, string Type) Encode(Exception e)
    {
        var kind = e switch
        {
            TimeoutException => "timeout",
            OperationCanceledException => "cancelled",
            ArgumentNullException => "argument-null",
            ArgumentOutOfRangeException => "argument-range",
            ArgumentException => "argument",
            ObjectDisposedException => "disposed",
            InvalidOperationException => "invalid-operation",
            NotSupportedException => "not-supported",
            KeyNotFoundException => "not-found",
            UnauthorizedAccessException => "unauthorized",
            FormatException => "format",
            SiloUnavailableException => "silo-unavailable",
            GatewayTooBusyException => "too-busy",
            OrleansMessageRejectionException => "rejected",
            OrleansException => "engine",
            _ => "other",
        };
        var message = e.Message.Length <= MaxMessage ? e.Message : e.Message[..MaxMessage];
        return (kind, message, (e as UnavailableExceptionFallbackException)?.ExceptionType ?? e.GetType().FullName!);
    }

    public static Exception Decode(string kind, string message, string type) => kind switch
    {
        "timeout" => new TimeoutException(message),
        "cancelled" => new OperationCanceledException(message),
        "argument-null" => new ArgumentNullException(null, message),
        "argument-range" => new ArgumentOutOfRangeException(null, message),
        "argument" => new ArgumentException(message),
        "disposed" => new ObjectDisposedException(null, message),
        "invalid-operation" => new InvalidOperationException(message),
        "not-supported" => new NotSupportedException(message),
        "not-found" => new KeyNotFoundException(message),
        "unauthorized" => new UnauthorizedAccessException(message),
        "format" => new FormatException(message),
        "silo-unavailable" => new SiloUnavailableException(message),
        "too-busy" => new GatewayTooBusyException(message),
        "rejected" => new OrleansMessageRejectionException(message),
        "engine" => new OrleansException(message),
        _ => new UnavailableExceptionFallbackException(message) { ExceptionType = type },
    };

    public static Exception Copy(Exception e)
    {
        var (kind, message, type) = Encode(e);
        return Decode(kind, message, type);
    }

    /// <summary>Whether reading a message failed because of what stood in it, not because of us.</summary>
    public static bool IsBadMessage(Exception e) => e is JsonException or FormatException or ArgumentException or NotSupportedException or InvalidOperationException or OverflowException;
}
