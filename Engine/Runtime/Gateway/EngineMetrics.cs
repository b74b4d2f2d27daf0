using System.Diagnostics.Metrics;

namespace Orleans.Gateway;

/// <summary>What the engine counts, on the meter <c>plane.engine</c>.</summary>
internal sealed class EngineMetrics
{
    private readonly Counter<long> _refused;
    private readonly Counter<long> _cut;
    private readonly Counter<long> _calls;
    private readonly Counter<long> _rejected;
    private readonly UpDownCounter<long> _connections;

    public EngineMetrics(IMeterFactory meters)
    {
        var meter = meters.Create("plane.engine");
        _refused = meter.CreateCounter<long>("plane.engine.gateway.refused", description: "Connections refused before a call was made, by reason.");
        _cut = meter.CreateCounter<long>("plane.engine.gateway.cut", description: "Connections cut for what the peer did or did not do, by reason.");
        _calls = meter.CreateCounter<long>("plane.engine.gateway.calls", description: "Calls received by the gateway.");
        _rejected = meter.CreateCounter<long>("plane.engine.gateway.rejected_calls", description: "Calls refused by the gateway, by reason.");
        _connections = meter.CreateUpDownCounter<long>("plane.engine.gateway.connections", description: "Clients connected to the gateway.");
    }

    public void Refused(string reason) => _refused.Add(1, new KeyValuePair<string, object?>("reason", reason));

    public void Cut(string reason) => _cut.Add(1, new KeyValuePair<string, object?>("reason", reason));

    public void Called() => _calls.Add(1);

    public void RejectedCall(string reason) => _rejected.Add(1, new KeyValuePair<string, object?>("reason", reason));

    public void Connected(int change) => _connections.Add(change);
}
