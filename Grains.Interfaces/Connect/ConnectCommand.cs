using Orleans;

namespace Plane;

/// <summary>A connect as it goes to a controller: the request, and everything random that its answer may need, so that a call whose outcome is unknown can be repeated as the same one.</summary>
[GenerateSerializer, Immutable, Alias("plane.ConnectCommand")]
public sealed record ConnectCommand
{
    /// <summary>What the application asked for. Of a service, the key is the service's own (<see cref="ServiceKeys.Within"/> was not applied).</summary>
    [Id(0)]
    public required ConnectRequest Request { get; init; }

    /// <summary>What was drawn for it.</summary>
    [Id(1)]
    public required DrawnValues Drawn { get; init; }

    /// <summary>The cluster to start a backend in; null where neither request nor controller names one.</summary>
    [Id(2)]
    public ClusterName? Cluster { get; init; }

    /// <summary>Whether a holder that is ending is not a final answer, since its end is waited for: it is then not kept for repeats.</summary>
    [Id(3)]
    public bool WaitsForEnd { get; init; }

    /// <summary>The request's key, or the one that was drawn for it.</summary>
    public KeyConfig Key => Request.Key ?? Drawn.Key!;

    /// <summary>Completes a request.</summary>
    /// <param name="request">The request, checked by <see cref="ConnectRules.Validate(ConnectRequest)"/>.</param>
    /// <param name="cluster">Where to start a backend; null where neither the request nor the controller names a cluster.</param>
    public static ConnectCommand For(ConnectRequest request, ClusterName? cluster) => new() { Request = request, Drawn = DrawnValues.For(request), Cluster = cluster };

    /// <summary>The command that a result answers: this one, or where it repeats an earlier request, with that one's key and tokens.</summary>
    /// <param name="result">What this command was answered with.</param>
    public ConnectCommand AnsweredBy(ConnectResult result)
    {
        ArgumentNullException.ThrowIfNull(result);
        return result.Earlier is { } earlier
            ? this with
            {
                Request = Request with { Key = earlier.Key },
                Drawn = Drawn with { Token = earlier.Token, SecretToken = earlier.SecretToken },
            }
            : this;
    }

    /// <summary>The URL that this command's caller reaches the holder by: <c>https://[subdomain.]cluster/token/</c>. It holds the token.</summary>
    /// <param name="holder">The holder that the command was answered with.</param>
    public string UrlOf(HolderInfo holder)
    {
        var subdomain = holder.Subdomain is { } s ? s + "." : "";
        return $"{holder.Cluster.Scheme}://{subdomain}{holder.Cluster}/{(holder.StaticToken ?? Drawn.Token).Value}/";
    }

    /// <summary>The URL that a browser enters the session by, or null (<see cref="ConnectResponse.BrowserUrl"/>). It holds the token.</summary>
    /// <param name="holder">The holder that the command was answered with.</param>
    public string? BrowserUrlOf(HolderInfo holder) => holder is { Subdomain: { } subdomain, StaticToken: null }
        ? $"{holder.Cluster.Scheme}://{subdomain}.{holder.Cluster}/.plane/enter?token={Drawn.Token.Value}&to=/"
        : null;
}
