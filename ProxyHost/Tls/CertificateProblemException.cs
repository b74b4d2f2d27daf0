namespace Plane.ProxyHost.Tls;

/// <summary>A certificate cannot be served. The message is for the operator: what is wrong, and what to do. It holds no secret.</summary>
/// <param name="message">What is wrong, and what to do.</param>
/// <param name="innerException">The cause, or null.</param>
public sealed class CertificateProblemException(string message, Exception? innerException = null) : Exception(message, innerException);
