using System.Net;

namespace Plane.Chaos.Parts;

/// <summary>Stands between two programs and does to what they say what the weather is like.</summary>
internal interface IRelay : IAsyncDisposable;

/// <summary>What the way of one who connects is like, and whether that one is at its upper end.</summary>
/// <param name="Weather">Of that way.</param>
/// <param name="Reversed">Whether it leads down from whoever connects.</param>
internal readonly record struct Way(Weather Weather, bool Reversed = false);

internal static class Relay
{
    /// <summary>Before a controller's gateway. The embedded engine's frames are known and treated one by one; of Orleans there is the stream of bytes.</summary>
    public static IRelay ToGateway(IPEndPoint listen, IPEndPoint gateway, Func<IPAddress, Way> way, int seed) =>
        Checkout.IsOrleans ? new ByteRelay(listen, gateway, way, seed) : new FrameRelay(listen, new Uri($"ws://{gateway}/gateway"), way, seed);
}
