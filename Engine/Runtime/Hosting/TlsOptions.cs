using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Connections.Security;

namespace Orleans.Connections.Security
{
    /// <summary>Whether the other end of a connection shows a certificate.</summary>
    public enum RemoteCertificateMode
    {
        /// <summary>None is asked for.</summary>
        NoCertificate = 0,

        /// <summary>One is asked for, and checked if it comes.</summary>
        AllowCertificate = 1,

        /// <summary>No connection without a valid one.</summary>
        RequireCertificate = 2,
    }

    /// <summary>Decides whether a certificate is accepted.</summary>
    /// <param name="certificate">What the other end shows.</param>
    /// <param name="chain">Its chain, as far as it could be built.</param>
    /// <param name="policyErrors">What the platform holds against it.</param>
    public delegate bool RemoteCertificateValidator(X509Certificate2 certificate, X509Chain? chain, SslPolicyErrors policyErrors);

    /// <summary>TLS on the gateway's connections.</summary>
    public class TlsOptions
    {
        /// <summary>What this end shows, with its private key.</summary>
        public X509Certificate2? LocalCertificate { get; set; }

        /// <summary>Silo: whether clients must show a certificate. Default: yes.</summary>
        public RemoteCertificateMode RemoteCertificateMode { get; set; } = RemoteCertificateMode.RequireCertificate;

        /// <summary>Client: whether it has a certificate to show. Default: if the silo asks.</summary>
        public RemoteCertificateMode ClientCertificateMode { get; set; } = RemoteCertificateMode.AllowCertificate;

        /// <summary>Decides instead of the platform whether the other end's certificate is accepted.</summary>
        public RemoteCertificateValidator? RemoteCertificateValidation { get; set; }

        /// <summary>Whether revocation is looked up. Default: no.</summary>
        public bool CheckCertificateRevocation { get; set; }

        /// <summary>Accepts every certificate: encrypted, but anyone may be at the other end. For tests.</summary>
        public void AllowAnyRemoteCertificate() => RemoteCertificateValidation = (_, _, _) => true;
    }
}

namespace Orleans.Hosting
{
    /// <summary>Turns TLS on.</summary>
    public static class OrleansConnectionSecurityHostingExtensions
    {
        /// <summary>The gateway speaks TLS only.</summary>
        /// <param name="builder">The builder.</param>
        /// <param name="configureOptions">Sets the certificate and what is asked of clients.</param>
        public static ISiloBuilder UseTls(this ISiloBuilder builder, Action<TlsOptions> configureOptions) =>
            builder.ConfigureServices(services => services.AddSingleton(Options(configureOptions, required: true)));

        /// <summary>The client speaks TLS only.</summary>
        /// <param name="builder">The builder.</param>
        /// <param name="configureOptions">Sets the certificate and what is asked of the silo.</param>
        public static IClientBuilder UseTls(this IClientBuilder builder, Action<TlsOptions> configureOptions) =>
            builder.ConfigureServices(services => services.AddSingleton(Options(configureOptions, required: false)));

        private static TlsOptions Options(Action<TlsOptions> configure, bool required)
        {
            ArgumentNullException.ThrowIfNull(configure);
            var options = new TlsOptions();
            configure(options);
            if (options.LocalCertificate is null && (required || options.ClientCertificateMode == RemoteCertificateMode.RequireCertificate))
            {
                throw new InvalidOperationException("No certificate specified");
            }

            return options.LocalCertificate is { HasPrivateKey: false }
                ? throw new ArgumentException($"the certificate {options.LocalCertificate.Subject} has no private key")
                : options;
        }
    }
}
