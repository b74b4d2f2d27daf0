namespace Plane.Silo.Dashboard;

/// <summary>What every page of the dashboard shows around its content.</summary>
/// <param name="Title">The page's title.</param>
/// <param name="Section">Which entry of the menu is the current one.</param>
/// <param name="Antiforgery">The value that its forms send back.</param>
/// <param name="CanLogOut">Whether somebody has logged in.</param>
/// <param name="Controller">The controller that made it.</param>
/// <param name="Version">Its version.</param>
/// <param name="Now">When.</param>
/// <param name="Notice">What became of the action before, or null.</param>
public sealed record PageFrame(string Title, string Section, string Antiforgery, bool CanLogOut, string Controller, string Version, DateTimeOffset Now, string? Notice = null);

/// <summary>Something that is wrong now.</summary>
/// <param name="Text">What.</param>
/// <param name="Link">Where more of it is, or null.</param>
/// <param name="IsSevere">Whether it keeps something from working.</param>
public sealed record Problem(string Text, string? Link, bool IsSevere);

/// <summary>A cluster and its state.</summary>
/// <param name="Name">The cluster.</param>
/// <param name="State">Its drones and proxies.</param>
public sealed record ClusterView(ClusterName Name, ClusterState State)
{
    /// <summary>Drones that take new backends.</summary>
    public int Ready => State.Drones.Count(d => d is { Ready: true, Draining: false });

    /// <summary>Backends that have not ended.</summary>
    public int Backends => State.Drones.Sum(d => d.BackendCount);

    /// <summary>The most backends that the drones that are there run.</summary>
    public int Capacity => State.Drones.Where(d => d.Ready || d.Draining).Sum(d => d.MaxBackends);
}

/// <summary>What the page of one cluster shows.</summary>
/// <param name="Cluster">The cluster.</param>
/// <param name="Busiest">Its backends that use most of their processors, the busiest first.</param>
public sealed record ClusterModel(ClusterView Cluster, IReadOnlyList<BusyBackend> Busiest);

/// <summary>What the first page shows.</summary>
/// <param name="Problems">What is wrong now.</param>
/// <param name="Clusters">The clusters.</param>
/// <param name="Events">What happened last in the last ten minutes, newest first.</param>
/// <param name="HasMore">Whether more happened in them.</param>
public sealed record OverviewModel(IReadOnlyList<Problem> Problems, IReadOnlyList<ClusterView> Clusters, IReadOnlyList<ClusterEvent> Events, bool HasMore);

/// <summary>What the list of backends shows.</summary>
/// <param name="Page">The first rows.</param>
/// <param name="Status">The state that is asked for: <c>live</c>, <c>all</c> or a state's name.</param>
/// <param name="Key">The key that is asked for, or empty.</param>
/// <param name="Cluster">The cluster that is asked for, or empty.</param>
/// <param name="Drone">The drone that is asked for, or empty.</param>
/// <param name="Service">The service that is asked for, or empty.</param>
public sealed record BackendsModel(BackendPage Page, string Status, string Key, string Cluster, string Drone, string Service)
{
    /// <summary>Whether anything narrows the list.</summary>
    public bool IsNarrowed => Key.Length + Cluster.Length + Drone.Length + Service.Length > 0 || Status != "live";
}

/// <summary>What the page of one backend shows.</summary>
/// <param name="Backend">The backend.</param>
/// <param name="Usage">What it uses; null where its drone does not say.</param>
public sealed record BackendModel(BackendDetails Backend, UsagePage? Usage);

/// <summary>What the page of one service shows.</summary>
/// <param name="Service">The service.</param>
/// <param name="Keys">The keys that its visitors' tokens are checked with.</param>
/// <param name="Backends">Its newest backends that have not ended.</param>
/// <param name="HasMore">Whether it has more of them.</param>
/// <param name="Address">The address of its keys, with KEY in the place of one; null where no cluster is named.</param>
public sealed record ServiceModel(ServiceDetails Service, IReadOnlyList<SigningKeyInfo> Keys, IReadOnlyList<BackendSummary> Backends, bool HasMore, string? Address);

/// <summary>A question before something is done.</summary>
/// <param name="Question">The question.</param>
/// <param name="Consequence">What follows.</param>
/// <param name="Action">The address that does it.</param>
/// <param name="Button">What the button says.</param>
/// <param name="Back">The address that leads back.</param>
/// <param name="Fields">Hidden values of the form.</param>
public sealed record ConfirmModel(string Question, string Consequence, string Action, string Button, string Back, IReadOnlyDictionary<string, string> Fields);

/// <summary>What the form that connects shows.</summary>
/// <param name="Values">What was entered.</param>
/// <param name="Clusters">The clusters that there are.</param>
/// <param name="Services">The services that there are.</param>
/// <param name="Problem">Why it was refused, or null.</param>
/// <param name="Result">What came of it, or null.</param>
public sealed record ConnectModel(
    IReadOnlyDictionary<string, string> Values, IReadOnlyList<ClusterName> Clusters, IReadOnlyList<ServiceName> Services, string? Problem, ConnectedView? Result)
{
    /// <summary>What was entered in a field.</summary>
    /// <param name="field">The field.</param>
    public string Value(string field) => Values.TryGetValue(field, out var value) ? value : "";
}

/// <summary>A connect that succeeded.</summary>
/// <param name="Backend">The backend.</param>
/// <param name="Spawned">Whether it was started.</param>
/// <param name="Url">The address to open.</param>
public sealed record ConnectedView(BackendName Backend, bool Spawned, string Url);
