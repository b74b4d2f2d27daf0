namespace Plane.Grains.Feed;

/// <summary>What a waiting call waits for.</summary>
internal enum TopicKind
{
    /// <summary>Any state of one backend.</summary>
    Backend,

    /// <summary>One backend answers or has ended, or a token of it was revoked: what decides a route.</summary>
    Settled,

    /// <summary>An action for one drone, or its session was replaced.</summary>
    Drone,

    /// <summary>Anything that changes a route of one cluster.</summary>
    Routes,

    /// <summary>A service was made, changed or deleted.</summary>
    Services,

    /// <summary>Any change.</summary>
    Any,
}

/// <summary>One subject of the feed; equal topics are one.</summary>
/// <param name="Kind">The kind.</param>
/// <param name="Name">The backend, or the cluster.</param>
/// <param name="Within">The drone of the cluster.</param>
internal readonly record struct Topic(TopicKind Kind, string Name, string Within = "")
{
    public static Topic Any => new(TopicKind.Any, "");

    public static Topic Services => new(TopicKind.Services, "");

    public static Topic Backend(BackendName backend) => new(TopicKind.Backend, backend.Value);

    public static Topic Settled(BackendName backend) => new(TopicKind.Settled, backend.Value);

    public static Topic Drone(ClusterName cluster, DroneName drone) => new(TopicKind.Drone, cluster.Value, drone.Value);

    /// <summary>What changes routes of every cluster: a signal for it is one for each <see cref="Routes"/>.</summary>
    public static Topic AllRoutes => new(TopicKind.Routes, "");

    public static Topic Routes(ClusterName cluster) => new(TopicKind.Routes, cluster.Value);

    /// <summary>The topics that a change belongs to. The only place that says so.</summary>
    public static IEnumerable<Topic> Of(Change change)
    {
        yield return Any;
        switch (change.Kind)
        {
            case ChangeKind.BackendState when change.Backend is { } identity:
                yield return Backend(identity.Backend);
                yield return Routes(change.Cluster);
                if (change.Status >= BackendStatus.Ready)
                {
                    yield return Settled(identity.Backend);
                }

                break;

            case ChangeKind.TokenRevoked when change.Backend is { } identity:
                yield return Settled(identity.Backend);
                yield return Routes(change.Cluster);
                break;

            case ChangeKind.DroneAction when change.Drone is { } drone:
                yield return Drone(change.Cluster, drone);
                break;

            case ChangeKind.Service:
                yield return Services;
                yield return AllRoutes;
                break;
        }
    }
}
