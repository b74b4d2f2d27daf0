using Plane.Grains.Keys;
using Plane.Storage;

namespace Plane.Grains.Services;

/// <summary>
/// How this controller connects by a service, whether an application asks over HTTP or as a cluster client, or a proxy for a visitor. A service adds to a connect, in this order:
/// <list type="number">
/// <item>the service: there must be one;</item>
/// <item>the key that is held (<see cref="ServiceKeys.Within"/>), and, where the label of its URL is a hash, that it is kept which key that is;</item>
/// <item>its spawn config and version, for the acquisition, which compares the version in its transaction. Where the service was changed since it was read, it is read again.</item>
/// </list>
/// For a visitor a backend that runs is looked for first; only where one would be started the starts are bounded (<see cref="WakeLimiter"/>).
/// </summary>
internal sealed class ServiceConnector(IServiceStore serviceStore, IStore store, KeyConnector connector, ServiceDirectory services, WakeLimiter limiter)
{
    private const int MaxRereads = 3;

    private static ConnectResult NoSuchService { get; } = ConnectResult.Refused(ErrorKind.NotFound, "there is no such service");

    /// <summary>Connects for an application.</summary>
    /// <param name="command">The command, checked by <see cref="ConnectRules.Validate(ConnectCommand)"/>, with a service.</param>
    /// <param name="cancellationToken">Gives up waiting for the answer; what was committed stays.</param>
    /// <returns>The result. The key of an earlier answer in it is the service's own, too.</returns>
    public async Task<ConnectResult> ConnectAsync(ConnectCommand command, CancellationToken cancellationToken)
    {
        var name = command.Request.Service ?? throw new ArgumentException("a connect by a service needs its name", nameof(command));
        try
        {
            // (1)
            if (await services.FindAsync(name, cancellationToken) is not { } service)
            {
                return NoSuchService;
            }

            // (2)
            await KeepLabelAsync(name, command.Key, cancellationToken);
            var held = ResolvedConnect.Of(command) with { Key = ServiceKeys.Within(name, command.Key) };

            // (3)
            var result = await StartAsync(held, service, cancellationToken);
            return result.Earlier is { } earlier
                ? result with { Earlier = earlier with { Key = ServiceKeys.Outside(name, earlier.Key) ?? earlier.Key } }
                : result;
        }
        catch (StoreUnavailableException e)
        {
            return ConnectResult.Refused(ErrorKind.DatabaseError, e.ForCaller(store.Outage));
        }
    }

    /// <summary>Connects for visitors that a proxy has let in.</summary>
    /// <param name="command">The command, checked by <see cref="EnterCommand.Validate"/>.</param>
    /// <param name="cancellationToken">Gives up waiting; what was committed stays.</param>
    /// <exception cref="StoreUnavailableException">The database is unavailable: the outcome is unknown.</exception>
    public async Task<EnterReply> EnterAsync(EnterCommand command, CancellationToken cancellationToken)
    {
        // (1)
        if (await services.FindAsync(command.Service, cancellationToken) is not { } service || !IsIn(service, command.Cluster))
        {
            return new EnterReply { Outcome = EnterOutcome.NoSuchService };
        }

        // (2)
        if (await KeyOfAsync(command, cancellationToken) is not { } key)
        {
            return new EnterReply { Outcome = EnterOutcome.NoSuchLabel };
        }

        if (command.Scope?.Has(key) == false)
        {
            return new EnterReply { Outcome = EnterOutcome.OutOfScope };
        }

        var connect = new ResolvedConnect
        {
            Key = ServiceKeys.Within(command.Service, key),
            Service = command.Service,
            Cluster = command.Cluster,
            BackendId = command.BackendId,
            Token = command.Token,
            SecretToken = command.SecretToken,
        };
        var result = await connector.ConnectAsync(connect, cancellationToken);
        if (result.Refusal == ErrorKind.KeyUnheldNoSpawnConfig)
        {
            if (limiter.TryTake(command.Service, command.ClientNetwork) is { } rest)
            {
                return Refused(key, ErrorKind.WakeLimited, rest);
            }

            // (3)
            result = await StartAsync(connect, service, cancellationToken);
        }

        return result.Refusal == ErrorKind.NotFound ? new EnterReply { Outcome = EnterOutcome.NoSuchService }
            : result.Holder is not { } holder ? Refused(key, result.Refusal ?? ErrorKind.Other, result.RetryAfter)
            : holder.Cluster != command.Cluster ? Refused(key, ErrorKind.KeyHeld, null)
            : new EnterReply { Outcome = EnterOutcome.Entered, Holder = holder, Key = key };
    }

    /// <summary>Whether a service is known in a cluster: one whose spawn config names a cluster is known in that alone.</summary>
    public static bool IsIn(ServiceDefinition service, ClusterName cluster) =>
        service.Config.SpawnConfig.Cluster is not { } named || (ClusterName.TryParse(named, out var only) && only == cluster);

    private async Task<ConnectResult> StartAsync(ResolvedConnect command, ServiceDefinition service, CancellationToken cancellationToken)
    {
        for (var reread = 0; ; reread++)
        {
            var spawn = service.Config.SpawnConfig;
            var result = await connector.ConnectAsync(
                command with
                {
                    Spawn = spawn,
                    ServiceVersion = service.Version,
                    Warm = service.Config.Warm,
                    Cluster = spawn.Cluster is { } named && ClusterName.TryParse(named, out var cluster) ? cluster : command.Cluster,
                },
                cancellationToken);
            if (result.Refusal is not (ErrorKind.FailedToAcquireKey or ErrorKind.NotFound) || reread == MaxRereads)
            {
                return result;
            }

            services.Forget(service.Name);
            if (await services.FindAsync(service.Name, cancellationToken) is not { } now)
            {
                return NoSuchService;
            }

            if (now.Version == service.Version)
            {
                return result;
            }

            service = now;
        }
    }

    private async Task<KeyConfig?> KeyOfAsync(EnterCommand command, CancellationToken cancellationToken)
    {
        if (command.Key is { } named)
        {
            await KeepLabelAsync(command.Service, named, cancellationToken);
            return named;
        }

        return ServiceLabel.IsHash(command.Label)
            ? await serviceStore.FindLabelAsync(command.Service, command.Label, cancellationToken)
            : new KeyConfig { Name = command.Label };
    }

    private Task KeepLabelAsync(ServiceName service, KeyConfig key, CancellationToken cancellationToken) =>
        ServiceLabel.Of(service, key) is var label && ServiceLabel.IsHash(label)
            ? serviceStore.KeepLabelAsync(service, label, key, cancellationToken)
            : Task.CompletedTask;

    private static EnterReply Refused(KeyConfig key, ErrorKind kind, TimeSpan? retryAfter) =>
        new() { Outcome = EnterOutcome.Refused, Key = key, Refusal = kind, Message = ForVisitors(kind), RetryAfter = retryAfter };

    // The operator's messages name drones and hold what backends wrote.
    private static string ForVisitors(ErrorKind kind) => kind switch
    {
        ErrorKind.ServiceFull => "this service has as many sessions as it may; try again later",
        ErrorKind.CrashLoop => "this session has failed to start several times; it is tried again after a pause",
        ErrorKind.WakeLimited => "too many sessions were started lately; try again later",
        ErrorKind.NoDroneAvailable => "there is no room for this session now; try again later",
        ErrorKind.KeyHeld => "this session is in use under another address or tag",
        ErrorKind.KeysHeldOff or ErrorKind.FailedToAcquireKey or ErrorKind.DatabaseError => "this session can't be started now; try again",
        _ => "this session can't be started",
    };
}
