using System.Net;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Npgsql;
using Orleans.Configuration;
using Orleans.Runtime;

namespace Plane.Silo;

/// <summary>
/// Who this silo is to its cluster: as Orleans would say it, but for the number that tells apart the runs of a silo at one address. Orleans takes the second of the start, by the
/// wall clock; and who finds a later number at its own address, even that of a dead one, is itself what was there before, and must end. A controller whose clock was set back
/// (most often because it had been ahead) would so be kept out until the clock is there again. Hence the number is also greater than all that the membership knows.
/// <para>
/// It is asked for while services are made, when nothing can be awaited yet, and the database may be away. So the database is asked once; where it doesn't answer,
/// <see cref="IsLatestAsync"/> finds out before the silo joins.
/// </para>
/// </summary>
internal sealed partial class SiloIdentity : ILocalSiloDetails
{
    private readonly string _connectionString;
    private readonly ILogger _logger;
    private readonly IPEndPoint _endpoint;
    private readonly Lazy<SiloAddress> _address;

    public SiloIdentity(
        string connectionString, IOptions<Orleans.Configuration.SiloOptions> silo, IOptions<ClusterOptions> cluster, IOptions<EndpointOptions> endpoints, ILogger<SiloIdentity> logger)
    {
        (_connectionString, _logger) = (connectionString, logger);
        (Name, ClusterId, DnsHostName) = (silo.Value.SiloName, cluster.Value.ClusterId, Dns.GetHostName());
        _endpoint = new IPEndPoint(endpoints.Value.AdvertisedIPAddress, endpoints.Value.SiloPort);
        _address = new Lazy<SiloAddress>(() => SiloAddress.New(_endpoint, Math.Max(SiloAddress.AllocateNewGeneration(), Latest() + 1)));
        GatewayAddress = SiloAddress.New(new IPEndPoint(endpoints.Value.AdvertisedIPAddress, endpoints.Value.GatewayPort), 0);
    }

    public string Name { get; }

    public string ClusterId { get; }

    public string DnsHostName { get; }

    public SiloAddress SiloAddress => _address.Value;

    public SiloAddress GatewayAddress { get; }

    /// <summary>Whether the membership knows no later run at this address.</summary>
    public async Task<bool> IsLatestAsync(CancellationToken cancellationToken)
    {
        await using var connection = new NpgsqlConnection(_connectionString);
        await connection.OpenAsync(cancellationToken);
        await using var command = Command(connection);
        return (int)(await command.ExecuteScalarAsync(cancellationToken))! < SiloAddress.Generation;
    }

    private int Latest()
    {
        try
        {
            using var connection = new NpgsqlConnection(_connectionString);
            connection.Open();
            using var command = Command(connection);
            return (int)command.ExecuteScalar()!;
        }
        catch (Exception e) when (e is NpgsqlException or TimeoutException)
        {
            // Away, or a database that is still to get its tables.
            LogUnknown(e.Message);
            return 0;
        }
    }

    private NpgsqlCommand Command(NpgsqlConnection connection)
    {
        var command = new NpgsqlCommand("select coalesce(max(generation), 0) from orleansmembershiptable where deploymentid = $1 and address = $2 and port = $3", connection);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = ClusterId });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = _endpoint.Address.ToString() });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = _endpoint.Port });
        return command;
    }

    [LoggerMessage(7075, LogLevel.Debug, "which runs of this controller there were is not known yet: {Reason}")]
    private partial void LogUnknown(string reason);
}
