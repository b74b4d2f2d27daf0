using System.Diagnostics;
using Microsoft.AspNetCore.Http;

namespace Plane.Hosting.Tracing;

/// <summary>
/// W3C's trace context between processes, and nothing else: a <c>traceparent</c> of 55 characters and a <c>tracestate</c> of at most 256, both checked by the platform; baggage, which
/// could be as long as all headers of a request and would be passed on with each call, stays where it is.
/// </summary>
/// <param name="acceptsFromClients">Whether the trace continues that an HTTP request names; else each request begins one. Calls between roles continue in any case.</param>
internal sealed class TraceContextPropagator(bool acceptsFromClients) : DistributedContextPropagator
{
    private static readonly DistributedContextPropagator s_w3c = CreateW3CPropagator();

    public override IReadOnlyCollection<string> Fields { get; } = ["traceparent", "tracestate"];

    public override void Inject(Activity? activity, object? carrier, PropagatorSetterCallback? setter)
    {
        if (setter is not null)
        {
            s_w3c.Inject(activity, carrier, (to, name, value) =>
            {
                if (Fields.Contains(name))
                {
                    setter(to, name, value);
                }
            });
        }
    }

    public override void ExtractTraceIdAndState(object? carrier, PropagatorGetterCallback? getter, out string? traceId, out string? traceState)
    {
        (traceId, traceState) = (null, null);
        if (acceptsFromClients || carrier is not IHeaderDictionary)
        {
            s_w3c.ExtractTraceIdAndState(carrier, getter, out traceId, out traceState);
        }
    }

    public override IEnumerable<KeyValuePair<string, string?>>? ExtractBaggage(object? carrier, PropagatorGetterCallback? getter) => null;
}
