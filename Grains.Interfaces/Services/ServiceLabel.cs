using System.Buffers;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Plane;

/// <summary>
/// The host label of a service's key, and what is made of it. A session's address is <c>https://{label}--{service}.{cluster}/</c>: one DNS label, so that one wildcard certificate
/// covers all. The label is the key's name where that is possible, else <c>k</c> and a hash, so it does not depend on what runs.
/// </summary>
public static class ServiceLabel
{
    /// <summary>What is between label and service. The service's name has none, the label may: the last one counts.</summary>
    public const string Separator = "--";

    private const int HashLength = 26;
    private const string Base32 = "abcdefghijklmnopqrstuvwxyz234567";

    private static readonly SearchValues<char> s_plain = SearchValues.Create("abcdefghijklmnopqrstuvwxyz0123456789-");
    private static readonly SearchValues<char> s_base32 = SearchValues.Create(Base32);

    /// <summary>
    /// The label of a key. Its name where the namespace is empty and the name is a DNS label in lower case, fits with the service's name into 63 characters, does not look like a hash and
    /// does not make an internationalised name (<c>xn--</c>); else <c>k</c> and the first 26 characters of the lower-case base32 of SHA-256 over
    /// <c>{bytes of the namespace}:{namespace}{name}</c> in UTF-8.
    /// </summary>
    /// <param name="service">The service.</param>
    /// <param name="key">The key as the service's callers name it: <see cref="ServiceKeys.Within"/> was not applied. Its tag does not matter.</param>
    public static string Of(ServiceName service, KeyConfig key)
    {
        ArgumentNullException.ThrowIfNull(key);
        return key.Namespace.Length == 0 && IsPlain(service, key.Name) ? key.Name : HashOf(key);
    }

    /// <summary>Whether a label is a hash: then the key is not known from it.</summary>
    /// <param name="label">The label.</param>
    public static bool IsHash(ReadOnlySpan<char> label) =>
        label.Length == 1 + HashLength && label[0] == 'k' && label[1..].IndexOfAnyExcept(s_base32) < 0;

    /// <summary>Whether a text may be a label of a service's key. What visitors write that is not is unknown without a look.</summary>
    /// <param name="service">The service.</param>
    /// <param name="label">The label, in lower case.</param>
    public static bool IsLabel(ServiceName service, ReadOnlySpan<char> label) => IsHash(label) || IsPlain(service, label);

    /// <summary>Reads label and service from the first host label of a request, in lower case.</summary>
    /// <param name="hostLabel">What is before the cluster's name and the dot.</param>
    /// <param name="service">The service.</param>
    /// <param name="label">The key's label.</param>
    /// <returns>Whether it has the form of one.</returns>
    public static bool TryParse(ReadOnlySpan<char> hostLabel, out ServiceName service, out string label)
    {
        var at = hostLabel.LastIndexOf(Separator);
        label = "";
        service = default;
        if (at <= 0 || hostLabel.Length > 63
            || !ServiceName.TryParse(hostLabel[(at + Separator.Length)..].ToString(), out service)
            || !IsLabel(service, hostLabel[..at]))
        {
            return false;
        }

        label = hostLabel[..at].ToString();
        return true;
    }

    /// <summary>The host name, with the cluster's port: <c>{label}--{service}.{cluster}</c>.</summary>
    /// <param name="service">The service.</param>
    /// <param name="label">The label.</param>
    /// <param name="cluster">The cluster.</param>
    public static string HostOf(ServiceName service, string label, ClusterName cluster) => $"{label}{Separator}{service}.{cluster}";

    /// <summary>The address of a key's session: <c>https://{label}--{service}.{cluster}/</c>; <c>http</c> for a cluster with a port other than 443.</summary>
    /// <param name="service">The service.</param>
    /// <param name="key">The key as the service's callers name it: <see cref="ServiceKeys.Within"/> was not applied.</param>
    /// <param name="cluster">The cluster.</param>
    public static string UrlOf(ServiceName service, KeyConfig key, ClusterName cluster) => $"{cluster.Scheme}://{HostOf(service, Of(service, key), cluster)}/";

    private static bool IsPlain(ServiceName service, ReadOnlySpan<char> name) =>
        NameRules.IsDnsLabel(name)
        && name.IndexOfAnyExcept(s_plain) < 0
        && name.Length + Separator.Length + service.Value.Length <= 63
        && !IsHash(name)
        && !name.StartsWith("xn--")
        && !name.SequenceEqual("xn");

    private static string HashOf(KeyConfig key)
    {
        var length = Encoding.UTF8.GetByteCount(key.Namespace);
        var hash = SHA256.HashData(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{length}:{key.Namespace}{key.Name}")));
        return string.Create(1 + HashLength, hash, static (label, bytes) =>
        {
            label[0] = 'k';
            for (var i = 0; i < HashLength; i++)
            {
                // Five bits from bit 5 * i on: at most bit 129 of 256, so there always is a next byte.
                var at = 5 * i;
                var two = (bytes[at / 8] << 8) | bytes[(at / 8) + 1];
                label[1 + i] = Base32[(two >> (11 - (at % 8))) & 31];
            }
        });
    }
}
