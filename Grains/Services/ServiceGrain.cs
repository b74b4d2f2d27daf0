using Orleans;
using Orleans.Concurrency;
using Plane.Storage;

namespace Plane.Grains.Services;

/// <summary>Services, for proxies and for applications that are cluster clients. Keeps nothing: each controller that is called answers by its <see cref="ServiceConnector"/>.</summary>
[StatelessWorker(1)]
internal sealed class ServiceGrain(IServiceStore store, IStore database, ServiceConnector connector) : Grain, IServiceGrain
{
    public Task Ping(CancellationToken cancellationToken) => database.EnsureAnswers();

    public async Task<ServiceAccessInfo?> ReadAccess(ServiceName service, ClusterName cluster, CancellationToken cancellationToken)
    {
        CheckKey();
        InvalidCallException.ThrowIf(FieldError.From("service", NameRules.NameProblem(service)) ?? FieldError.From("cluster", NameRules.NameProblem(cluster)));
        return await store.ReadServiceAccessAsync(service, cancellationToken).TranslateStoreFailures() is { Service: { } found } read && ServiceConnector.IsIn(found, cluster)
            ? new ServiceAccessInfo
            {
                Name = found.Name,
                Version = found.Version,
                Access = found.Config.Access,
                SigningKeys = [.. read.Keys],
                AllowedOrigins = found.Config.SpawnConfig.AllowedOrigins ?? [],
                Embed = found.Config.SpawnConfig.Embed,
                ReadAt = read.ReadAt,
            }
            : null;
    }

    public async Task<EnterReply> Enter(EnterCommand command, CancellationToken cancellationToken)
    {
        CheckKey();
        InvalidCallException.ThrowIf(command is null ? new FieldError("command", "must be given") : command.Validate());
        return await connector.EnterAsync(command!, cancellationToken).TranslateStoreFailures();
    }

    public async Task<ConnectResult> Connect(ConnectCommand command, CancellationToken cancellationToken)
    {
        CheckKey();
        var error = ConnectRules.Validate(command) ?? (command.Request.Service is null ? new FieldError("service", "must be given") : null);
        return error is null ? await connector.ConnectAsync(command, cancellationToken) : ConnectResult.Refused(ErrorKind.InvalidRequest, error.Message);
    }

    private void CheckKey()
    {
        if (!GrainKeys.IsService(this.GetPrimaryKeyString()))
        {
            throw this.KeyRefused("it must be s and a number");
        }
    }
}
