namespace Plane.Client;

/// <summary>The ids of this project's log messages. An id means one thing in the whole product and keeps its meaning: a new message gets a new one.</summary>
internal static class EventIds
{
    public const int GatewayTrustUnreadable = 7060;
    public const int ClusterClientHostingNoGateway = 7061;
    public const int GatewayTrustRefused = 7068;
    public const int GatewayListUnresolved = 7069;
}
