namespace Plane.Proxy.Tls;

/// <summary>A certificate cannot be served. The message is for the operator: what is wrong, and what to do. It holds no secret.</summary>
public sealed class CertificateProblemException : Exception
{
    /// <summary>Makes one.</summary>
    public CertificateProblemException()
        : this("the certificate cannot be served")
    {
    }

    /// <summary>Makes one.</summary>
    /// <param name="message">What is wrong, and what to do.</param>
    public CertificateProblemException(string message)
        : base(message)
    {
    }

    /// <summary>Makes one.</summary>
    /// <param name="message">What is wrong, and what to do.</param>
    /// <param name="innerException">The cause.</param>
    public CertificateProblemException(string message, Exception innerException)
        : base(message, innerException)
    {
    }
}
