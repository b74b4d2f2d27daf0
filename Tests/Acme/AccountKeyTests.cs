using Plane.Acme;
using Plane.ProxyHost.Certificates;
using Plane.Testing;

namespace Plane.Tests.Acme;

/// <summary>The change of an account's key beside a running proxy.</summary>
public sealed class AccountKeyTests : IDisposable
{
    private readonly TempDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public async Task A_key_that_the_authority_has_taken_is_kept_whatever_a_proxy_tidied_up_meanwhile()
    {
        // Nothing is validated here, so no resolver is asked.
        await using var pebble = await Pebble.StartAsync("127.0.0.1:1");
        await using var front = await CaFront.StartAsync(pebble);
        var options = new Plane.ProxyHost.ProxyOptions();
        Pebble.Options(front.Directory, _directory["certs"])(options);
        var store = new CertificateStore(_directory["certs"], ClusterName.Parse("keys.example.test"));
        store.Prepare();
        using (var key = store.AccountKey(front.Directory))
        using (var client = await AcmeClient.OpenAsync(options.Acme.ForClient(), key, TimeProvider.System, CancellationToken.None))
        {
            await client.OpenAccountAsync(null, CancellationToken.None);
        }

        // A proxy that begins an order at this moment asks for the new key's account, which isn't there yet, and drops the key.
        front.After = call =>
        {
            if (call.Path.StartsWith("/rollover", StringComparison.Ordinal))
            {
                store.DropNextAccountKey(front.Directory);
            }
        };
        await AccountKeys.ChangeAsync(store, options.Acme, TimeProvider.System, CancellationToken.None);
        front.After = null;
        using var kept = store.AccountKey(front.Directory);
        using var again = await AcmeClient.OpenAsync(options.Acme.ForClient(), kept, TimeProvider.System, CancellationToken.None);
        Assert.True(await again.TryFindAccountAsync(CancellationToken.None));
        Assert.Null(store.NextAccountKey(front.Directory));
    }
}
