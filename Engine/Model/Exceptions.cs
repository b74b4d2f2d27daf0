namespace Orleans.Runtime
{
    /// <summary>A failure of the engine itself. The outcome of the call is unknown.</summary>
    public class OrleansException : Exception
    {
        /// <summary>A failure without further words.</summary>
        public OrleansException()
            : base("Unexpected error.")
        {
        }

        /// <summary>A failure with its reason.</summary>
        /// <param name="message">The reason.</param>
        public OrleansException(string message)
            : base(message)
        {
        }

        /// <summary>A failure with its reason and cause.</summary>
        /// <param name="message">The reason.</param>
        /// <param name="innerException">The cause.</param>
        public OrleansException(string message, Exception innerException)
            : base(message, innerException)
        {
        }
    }

    /// <summary>The call was refused by the engine: by a silo that stops, a method it doesn't know, arguments it can't read.</summary>
    public class OrleansMessageRejectionException : OrleansException
    {
        internal OrleansMessageRejectionException(string message)
            : base(message)
        {
        }

        internal OrleansMessageRejectionException(string message, Exception innerException)
            : base(message, innerException)
        {
        }
    }

    /// <summary>The silo is gone, stops, or the connection to it broke while the call was under way.</summary>
    public sealed class SiloUnavailableException : OrleansMessageRejectionException
    {
        /// <summary>A silo that is not there.</summary>
        public SiloUnavailableException()
            : base("Silo unavailable")
        {
        }

        /// <summary>A silo that is not there, with the reason.</summary>
        /// <param name="msg">The reason.</param>
        public SiloUnavailableException(string msg)
            : base(msg)
        {
        }

        /// <summary>A silo that is not there, with the reason and the cause.</summary>
        /// <param name="message">The reason.</param>
        /// <param name="innerException">The cause.</param>
        public SiloUnavailableException(string message, Exception innerException)
            : base(message, innerException)
        {
        }
    }

    /// <summary>The gateway has more calls of this client under way than it takes.</summary>
    public sealed class GatewayTooBusyException : OrleansException
    {
        /// <summary>A gateway that is too busy.</summary>
        public GatewayTooBusyException()
            : base("Gateway too busy")
        {
        }

        /// <summary>A gateway that is too busy, with the details.</summary>
        /// <param name="message">The details.</param>
        public GatewayTooBusyException(string message)
            : base(message)
        {
        }

        /// <summary>A gateway that is too busy, with the details and the cause.</summary>
        /// <param name="message">The details.</param>
        /// <param name="innerException">The cause.</param>
        public GatewayTooBusyException(string message, Exception innerException)
            : base(message, innerException)
        {
        }
    }

    /// <summary>The configuration or the contract is wrong: the host cannot start.</summary>
    public sealed class OrleansConfigurationException : Exception
    {
        /// <summary>What is wrong.</summary>
        /// <param name="message">The text for the operator.</param>
        public OrleansConfigurationException(string message)
            : base(message)
        {
        }

        /// <summary>What is wrong, and its cause.</summary>
        /// <param name="message">The text for the operator.</param>
        /// <param name="innerException">The cause.</param>
        public OrleansConfigurationException(string message, Exception innerException)
            : base(message, innerException)
        {
        }
    }
}

namespace Orleans.Serialization
{
    /// <summary>
    /// Stands for an exception of a grain whose type does not cross the wire. The grain's method ran and failed; the type is a text only, no type is ever loaded
    /// because a peer named it.
    /// </summary>
    public sealed class UnavailableExceptionFallbackException : Exception
    {
        /// <summary>A failure of a type that does not cross the wire.</summary>
        public UnavailableExceptionFallbackException()
        {
        }

        /// <summary>A failure of a type that does not cross the wire, with its message.</summary>
        /// <param name="message">The message of the original.</param>
        public UnavailableExceptionFallbackException(string message)
            : base(message)
        {
        }

        /// <summary>A failure of a type that does not cross the wire, with its message and cause.</summary>
        /// <param name="message">The message of the original.</param>
        /// <param name="innerException">The cause.</param>
        public UnavailableExceptionFallbackException(string message, Exception? innerException)
            : base(message, innerException)
        {
        }

        /// <summary>The full name of the original type.</summary>
        public string? ExceptionType { get; internal set; }
    }
}
