namespace Plane.Silo.Http.Endpoints;

/// <summary>
/// The body of <c>POST /ctrl/b/revoke</c>: with <c>user</c> that user's tokens, with <c>token</c> that one, with neither all of the backend's. Both are declared
/// as not null, though they may be absent: an explicit null is refused, since it is more likely a mistake of the caller than the wish to revoke everything.
/// </summary>
internal sealed record RevokeRequest
{
    /// <summary>The backend.</summary>
    public required BackendName BackendId { get; init; }

    /// <summary>The user whose tokens to revoke.</summary>
    public string User { get; init; } = Absent;

    /// <summary>The token to revoke.</summary>
    public string Token { get; init; } = Absent;

    /// <summary>What to revoke, or what is wrong.</summary>
    public FieldError? Read(out RevokeScope scope)
    {
        scope = new RevokeScope();
        var byUser = !ReferenceEquals(User, Absent);
        var byToken = !ReferenceEquals(Token, Absent);
        if (byUser && byToken)
        {
            return new FieldError("user", "cannot be combined with token: give one of them");
        }

        if (byUser)
        {
            scope = new RevokeScope { User = User };
            return FieldError.From("user", NameRules.TextProblem(User, 0));
        }

        if (byToken)
        {
            var valid = BearerToken.TryParse(Token, out var token);
            scope = new RevokeScope { Token = valid ? token : null };
            return valid ? null : new FieldError("token", "is not valid: " + BearerToken.Rule);
        }

        return null;
    }

    // An instance of its own, known by reference: an empty user is a user.
    private static string Absent { get; } = new(['\0']);
}
