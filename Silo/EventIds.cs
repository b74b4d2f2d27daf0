namespace Plane.Silo;

/// <summary>The ids of this project's log messages. An id means one thing in the whole product and keeps its meaning: a new message gets a new one.</summary>
internal static class EventIds
{
    public const int ApiErrorLogRefused = 6001;
    public const int ApiErrorLogUnavailable = 6002;
    public const int ApiErrorLogFailed = 6003;
    public const int ApiErrorLogKnown = 6004;
    public const int ErrorMiddlewareCallerLeft = 6011;
    public const int ErrorMiddlewareBroken = 6012;
    public const int ForwardAuthUnreachable = 6021;
    public const int OutputRelayNoAnswer = 6031;
    public const int OutputRelayFailed = 6032;
    public const int DroneOutputNoUsage = 6033;
    public const int StoreStartWaiting = 6101;
    public const int StoreStartReached = 6102;
    public const int SiloReadyOpen = 6103;
    public const int SiloReadyReady = 6104;
    public const int SiloReadyFewConnections = 6105;
    public const int FatalErrorHandlerFatal = 7074;
}
