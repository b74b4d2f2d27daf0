using System.Security.Cryptography;
using Microsoft.IdentityModel.Tokens;
using Org.BouncyCastle.Math.EC.Rfc8032;

namespace Plane.ProxyHost.Signing;

/// <summary>A public key of Ed25519 (RFC 8037), which neither .NET 10 nor the token library knows: it brings the provider that verifies with it.</summary>
internal sealed class Ed25519Key : AsymmetricSecurityKey
{
    private const string Name = "EdDSA";

    private readonly Ed25519.PublicPoint _key;

    /// <summary>Makes it of the 32 bytes of RFC 8032.</summary>
    /// <exception cref="CryptographicException">They are not a point of the curve.</exception>
    public Ed25519Key(byte[] key)
    {
        // Also refuses points of small order, by which one signature is good for many messages.
        _key = Ed25519.ValidatePublicKeyFullExport(key, 0) ?? throw new CryptographicException("not a public key of Ed25519");
        CryptoProviderFactory = new CryptoProviderFactory { CustomCryptoProvider = new Provider(), CacheSignatureProviders = false };
    }

    /// <inheritdoc/>
    public override int KeySize => 256;

    /// <inheritdoc/>
    [Obsolete("See PrivateKeyStatus.")]
    public override bool HasPrivateKey => false;

    /// <inheritdoc/>
    public override PrivateKeyStatus PrivateKeyStatus => PrivateKeyStatus.DoesNotExist;

    private bool Verify(ReadOnlySpan<byte> message, byte[] signature) =>
        signature.Length == Ed25519.SignatureSize && Ed25519.Verify(signature, 0, _key, message.ToArray(), 0, message.Length);

    private sealed class Provider : ICryptoProvider
    {
        public object Create(string algorithm, params object[] args) => new Verifier((Ed25519Key)args[0]);

        public bool IsSupportedAlgorithm(string algorithm, params object[] args) => algorithm == Name && args is [Ed25519Key, ..];

        public void Release(object cryptoInstance)
        {
            // It holds nothing.
        }
    }

    private sealed class Verifier(Ed25519Key key) : SignatureProvider(key, Name)
    {
        public override byte[] Sign(byte[] input) => throw new NotSupportedException("a public key signs nothing");

        public override bool Verify(byte[] input, byte[] signature) => key.Verify(input, signature);

        public override bool Verify(byte[] input, int inputOffset, int inputLength, byte[] signature, int signatureOffset, int signatureLength) =>
            key.Verify(input.AsSpan(inputOffset, inputLength), signature[signatureOffset..(signatureOffset + signatureLength)]);

        protected override void Dispose(bool disposing)
        {
            // It holds nothing.
        }
    }
}
