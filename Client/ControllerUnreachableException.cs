namespace Plane.Client;

/// <summary>No controller answered, or what answered is not one. Whether the request was carried out is unknown.</summary>
/// <param name="message">What happened.</param>
/// <param name="innerException">Why.</param>
public sealed class ControllerUnreachableException(string message, Exception? innerException = null) : Exception(message, innerException);
