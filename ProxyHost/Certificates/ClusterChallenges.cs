using Plane.Acme;
using Plane.Hosting.Cluster;

namespace Plane.ProxyHost.Certificates;

/// <summary>The calls over the cluster client.</summary>
internal sealed class ClusterChallenges(ClusterConnection cluster, ProxyOptions options) : IChallenges
{
    private readonly ClusterName _cluster = ClusterName.Parse(options.Cluster);

    private ICertificateGrain Grain => cluster.GetGrain<ICertificateGrain>(GrainKeys.Certificate(_cluster));

    public Task<ChallengeLease> HoldAsync(TimeSpan time, CancellationToken cancellationToken) =>
        Grain.TryHoldChallenge(_cluster, new ChallengeHold { Owner = options.Name, Time = time }, cancellationToken);

    public Task ReleaseAsync(CancellationToken cancellationToken) => Grain.ReleaseChallenge(_cluster, options.Name, cancellationToken);

    public async Task SetAsync(string[] values, CancellationToken cancellationToken)
    {
        if (await Grain.SetTxt(_cluster, new TxtValues { Owner = options.Name, Values = values }, cancellationToken) is { } error)
        {
            throw new AcmeException(AcmeFault.BadAnswer, $"the challenge values of the authority can't be set: {error.Message}");
        }
    }

    public Task<OrderQuota> BeginOrderAsync(string id, string authority, int limit, CancellationToken cancellationToken) =>
        Grain.TryBeginOrder(_cluster, new CertificateOrder { Id = id, Owner = options.Name, Authority = authority, Limit = limit }, cancellationToken);

    public Task DropOrderAsync(string id, CancellationToken cancellationToken) => Grain.DropOrder(_cluster, id, cancellationToken);
}
