namespace Plane.Hosting;

/// <summary>The ids of this project's log messages. An id means one thing in the whole product and keeps its meaning: a new message gets a new one.</summary>
internal static class EventIds
{
    public const int HostProgramFailed = 1001;
    public const int SystemdWatchdogNotNotified = 1004;
    public const int GatewayChoiceChanged = 7070;
    public const int GatewayChoicePing = 7071;
    public const int DescriptorWatchFew = 7080;
    public const int DescriptorWatchEnough = 7081;
}
