using System.Net;
using Microsoft.Extensions.Options;
using Plane.Hosting;

namespace Plane.Silo;

/// <summary>How a controller's silo listens and is trusted. The same for both engines; what only one uses says so.</summary>
public sealed class SiloEngineOptions
{
    /// <summary>Where drones, proxies and DNS hosts connect. Default 30000; 0: any free port, as tests use it.</summary>
    public int GatewayPort { get; init; } = 30000;

    /// <summary>Silo to silo, Orleans engine only. Default 11111; 0: any free port.</summary>
    public int SiloPort { get; init; } = 11111;

    /// <summary>The address to listen on. Default: loopback. Beyond it both ends must know each other, see <see cref="Trust"/>.</summary>
    public IPAddress BindAddress { get; init; } = IPAddress.Loopback;

    /// <summary>The address that other silos and clients are told, Orleans engine only. Default: the bind address, or this machine's name where that is all addresses.</summary>
    public string? AdvertisedAddress { get; init; }

    /// <summary>The name of the cluster; a client of another is refused.</summary>
    public string ClusterId { get; init; } = "plane";

    /// <summary>The name of the service, which outlives clusters.</summary>
    public string ServiceId { get; init; } = "plane";

    /// <summary>How both ends know each other.</summary>
    public GatewayTrust Trust { get; init; } = new();

    /// <summary>Listen beyond loopback for anyone (<c>--insecure-gateway</c>). Whoever reaches the port may call every grain.</summary>
    public bool InsecureGateway { get; init; }

    /// <summary>How long a call waits for its answer. Default 10 s.</summary>
    public TimeSpan ResponseTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>An activation not used for so long ends. Default 15 minutes.</summary>
    public TimeSpan CollectionAge { get; init; } = TimeSpan.FromMinutes(15);

    /// <summary>
    /// The controller's database, as <see cref="SiloOptions.Db"/>. Orleans engine only: on PostgreSQL its silos find each other there; on SQLite, or where not set, there
    /// is one silo.
    /// </summary>
    public string? Database { get; init; }

    /// <summary>The operator's own script for the membership tables, in place of ours. Run once, where they are not there yet. Orleans engine only.</summary>
    public string? OrleansSchema { get; init; }

    /// <summary>
    /// Takes the lock that keeps a second silo from the same database, and gives it back; null: none is needed, since nobody else can open the database. The Orleans
    /// engine takes a share in the same lock instead, beside the silos of its cluster.
    /// </summary>
    public Func<IServiceProvider, ISiloHold>? Hold { get; init; }

    /// <summary>Checks the values.</summary>
    /// <exception cref="OptionsValidationException">A value is wrong, or strangers could call grains; the text names it.</exception>
    internal void Validate(bool secretIsKnown, int lowestPort)
    {
        var errors = new List<string>(Trust.Errors());
        if (GatewayPort < lowestPort || GatewayPort > IPEndPoint.MaxPort)
        {
            errors.Add($"gateway-port: {GatewayPort} is no port");
        }

        if (Trust.AuthorityFile is not null && Trust.CertificateFile is null)
        {
            errors.Add("gateway-ca: a silo that checks certificates needs gateway-cert and gateway-key too");
        }

        if (string.IsNullOrWhiteSpace(ClusterId) || string.IsNullOrWhiteSpace(ServiceId))
        {
            errors.Add("cluster-id and service-id must not be blank");
        }

        if (ResponseTimeout <= TimeSpan.Zero || CollectionAge <= TimeSpan.Zero)
        {
            errors.Add("response-timeout and collection-age must be positive");
        }

        var isTrusted = Trust.IsMutualTls || (secretIsKnown && Trust.SharedSecretFile is not null);
        if (!IPAddress.IsLoopback(BindAddress) && !isTrusted && !InsecureGateway)
        {
            errors.Add($"gateway: {BindAddress} is beyond loopback, and a client may call every grain: give "
                + (secretIsKnown ? "gateway-secret-file, or " : "") + "gateway-cert, gateway-key and gateway-ca, or accept it with --insecure-gateway");
        }

        if (errors.Count > 0)
        {
            throw new OptionsValidationException(nameof(SiloEngineOptions), typeof(SiloEngineOptions), errors);
        }
    }
}

/// <summary>The lock of a database that only one silo may serve.</summary>
public interface ISiloHold
{
    /// <summary>Tries to take the lock, once.</summary>
    /// <param name="cancellationToken">Cancelled when the host stops.</param>
    Task<SiloHoldAttempt> TryTakeAsync(CancellationToken cancellationToken);

    /// <summary>Gives the lock back, so that a successor need not wait.</summary>
    /// <param name="cancellationToken">Cancelled when there is no time left.</param>
    Task ReleaseAsync(CancellationToken cancellationToken);
}

/// <summary>What came of an attempt to take the lock.</summary>
/// <param name="HeldBy">Who holds it, in words for the operator; null: we do.</param>
/// <param name="Lost">If we do: cancelled once that can't be relied on any more, e.g. because the connection that carries the lock broke.</param>
public readonly record struct SiloHoldAttempt(string? HeldBy, CancellationToken Lost);
