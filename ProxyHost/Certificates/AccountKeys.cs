using Plane.Acme;

namespace Plane.ProxyHost.Certificates;

/// <summary>
/// The change of an account's key. The new key is on disk before the authority hears of it, and takes the old one's place after: whenever it is interrupted, one
/// of the two files holds the account's key, and the authority says which.
/// </summary>
internal static class AccountKeys
{
    /// <summary>Changes the key.</summary>
    /// <exception cref="AcmeException">It was refused, or the authority does not answer.</exception>
    public static async Task ChangeAsync(CertificateStore store, AcmeOptions options, TimeProvider time, CancellationToken cancellationToken)
    {
        await RecoverAsync(store, options, time, cancellationToken);
        using var key = store.AccountKey(options.Directory!);
        using var client = await AcmeClient.OpenAsync(options.ForClient(), key, time, cancellationToken);
        if (!await client.TryFindAccountAsync(cancellationToken))
        {
            throw new AcmeException(AcmeFault.Refused, "the authority has no account of this key: there is nothing to change");
        }

        using var next = AcmeKey.Create();
        store.WriteNextAccountKey(options.Directory!, next);
        await client.ChangeKeyAsync(next, cancellationToken);
        store.KeepAccountKey(options.Directory!, next);
    }

    /// <summary>Ends a change that was interrupted.</summary>
    public static async Task RecoverAsync(CertificateStore store, AcmeOptions options, TimeProvider time, CancellationToken cancellationToken)
    {
        using var next = store.NextAccountKey(options.Directory!);
        if (next is null)
        {
            return;
        }

        using var client = await AcmeClient.OpenAsync(options.ForClient(), next, time, cancellationToken);
        if (await client.TryFindAccountAsync(cancellationToken))
        {
            store.KeepAccountKey(options.Directory!, next);
        }
        else
        {
            store.DropNextAccountKey(options.Directory!);
        }
    }
}
