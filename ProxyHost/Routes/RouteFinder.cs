namespace Plane.ProxyHost.Routes;

/// <summary>Finds the route of a token, in the cache or by the controller, however long its backend takes to start: as long as a response may take to begin.</summary>
internal sealed class RouteFinder(ProxyOptions options, RouteTable routes, RouteResolver resolver, TimeProvider time)
{
    /// <summary>Finds it.</summary>
    /// <exception cref="OperationCanceledException">The client left.</exception>
    public async Task<Resolution> FindAsync(BearerToken token, CancellationToken aborted)
    {
        if (routes.TryGet(token.Value, out var entry))
        {
            return new Resolution(ResolutionOutcome.Found, entry);
        }

        using var limit = new CancellationTokenSource(options.ResponseTimeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, aborted);
        try
        {
            using var span = PlaneTrace.Source.StartActivity("resolve route");
            var resolution = await resolver.ResolveAsync(token, fresh: false, either.Token);
            span?.SetTag(PlaneTrace.BackendTag, resolution.Entry?.Backend);
            return resolution;
        }
        catch (OperationCanceledException) when (limit.IsCancellationRequested)
        {
            return new Resolution(ResolutionOutcome.Late);
        }
    }
}
