namespace Plane.Grains.Keys;

/// <summary>
/// What a <see cref="ConnectCommand"/> must fulfil. The HTTP edge has checked the request before; applications that are cluster clients call the
/// grain directly.
/// </summary>
internal static class ConnectCommandRules
{
    private const int MaxSecret = 256;

    public static FieldError? Validate(ConnectCommand command, KeyConfig grainKey)
    {
        if (command.Key.Name != grainKey.Name || command.Key.Namespace != grainKey.Namespace)
        {
            return new FieldError("key", "must be the key that the grain is addressed by");
        }

        var request = new ConnectRequest { Key = command.Key, SpawnConfig = command.Spawn, User = command.User, Auth = command.Auth, RequestId = command.Request?.Id };
        return ConnectRules.Validate(request)
            ?? (command.BackendId == default ? new FieldError("backend_id", "must be set") : null)
            ?? (command.Token == default || command.Token.IsStatic ? new FieldError("token", "must be a random token of one connection") : null)
            ?? (command.SecretToken is { Length: > 0 and <= MaxSecret } secret && secret.All(char.IsAscii)
                ? null
                : new FieldError("secret_token", $"must have 1 to {MaxSecret} ASCII characters"))
            ?? (command.Request is null || (command.Request.Digest is { Length: 64 } digest && digest.All(char.IsAsciiHexDigitLower))
                ? null
                : new FieldError("request_id", "must come with the digest of its request"))
            ?? (command.Spawn is { } spawn ? Validate(command, spawn) : null);
    }

    private static FieldError? Validate(ConnectCommand command, SpawnConfig spawn) =>
        spawn.Id is { } id && (id != command.BackendId || !command.BackendIdIsChosen)
            ? new FieldError("spawn_config.id", "must be the backend id of the command")
            : spawn.UseStaticToken != (command.StaticToken is { IsStatic: true })
                ? new FieldError("static_token", "must be given with use_static_token, and only then")
                : null;
}
