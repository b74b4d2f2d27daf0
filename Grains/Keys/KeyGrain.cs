using Orleans;
using Orleans.Concurrency;

namespace Plane.Grains.Keys;

/// <summary>
/// A key, for the cluster clients that address it by name. Keeps nothing: each controller that is asked answers by its <see cref="KeyConnector"/>, as it does over HTTP, without
/// a call to another one; and one that is lost, or cut off from the others or from the database, takes no key with it.
/// </summary>
[StatelessWorker(1)]
internal sealed class KeyGrain(KeyConnector connector) : Grain, IKeyGrain
{
    private KeyConfig? _key;

    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        _key = GrainKeyText.TryParse(this.GetPrimaryKeyString(), out var key) ? key : null;
        return Task.CompletedTask;
    }

    public async Task<ConnectResult> Connect(ConnectCommand command, CancellationToken cancellationToken)
    {
        var key = _key ?? throw this.KeyRefused("it must be that of a key");
        var error = ConnectRules.Validate(command)
            ?? (command.Request.Service is null ? null : new FieldError("service", "is connected to by the grain of services"))
            ?? (command.Key.Name == key.Name && command.Key.Namespace == key.Namespace ? null : new FieldError("key", "must be the key that the grain is addressed by"));
        return error is null ? await connector.ConnectAsync(command, cancellationToken) : ConnectResult.Refused(ErrorKind.InvalidRequest, error.Message);
    }
}
