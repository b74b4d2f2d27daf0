using System.Diagnostics;
using System.Net.Http.Headers;

namespace Plane.ProxyHost.Forwarding;

/// <summary>W3C's trace context on its way to the backend.</summary>
internal static class TraceHeaders
{
    private const string Parent = "traceparent";
    private const string State = "tracestate";

    /// <summary>
    /// Names this proxy's span as the parent of what the backend does, in place of what the client named. Where the proxy exports no traces it takes no part in them: the client's
    /// headers pass like any others.
    /// </summary>
    public static void Continue(HttpRequestHeaders headers)
    {
        if (Activity.Current is not { IdFormat: ActivityIdFormat.W3C, Id: { } id } span)
        {
            return;
        }

        headers.Remove(Parent);
        headers.Remove(State);
        headers.TryAddWithoutValidation(Parent, id);
        if (span.TraceStateString is { Length: > 0 } state)
        {
            headers.TryAddWithoutValidation(State, state);
        }
    }
}
