namespace Plane.DnsHost;

/// <summary>The ids of this project's log messages. An id means one thing in the whole product and keeps its meaning: a new message gets a new one.</summary>
internal static class EventIds
{
    public const int TxtSourceAway = 8001;
    public const int TxtSourceNotAnswered = 8002;
    public const int DnsListenerListening = 8010;
    public const int UdpServerNotReceived = 8011;
    public const int UdpServerUnsent = 8012;
    public const int UdpServerFailed = 8013;
    public const int DnsListenerNoAddress = 8014;
    public const int TcpServerNotAccepted = 8020;
    public const int TcpServerEnded = 8021;
    public const int TcpServerFailed = 8022;
}
