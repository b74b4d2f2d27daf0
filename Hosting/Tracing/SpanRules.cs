using System.Diagnostics;
using OpenTelemetry;

namespace Plane.Hosting.Tracing;

/// <summary>
/// Which spans are recorded, and what they hold. The roles' own loops (polls, heartbeats, renewals, sweeps) call and query without end: what no request and no action
/// of Plane's began is not recorded, and so neither is what follows from it. And since a URL's path may hold a token, none is recorded: the route stands for it.
/// </summary>
internal sealed class SpanRules : BaseProcessor<Activity>
{
    public const string HttpServerSource = "Microsoft.AspNetCore";
    private const string UnknownRoute = "/{token}";

    public override void OnStart(Activity data)
    {
        if (data.Parent is null && !data.HasRemoteParent && data.Source.Name is not (PlaneTrace.SourceName or HttpServerSource))
        {
            data.IsAllDataRequested = false;
            data.ActivityTraceFlags &= ~ActivityTraceFlags.Recorded;
        }
    }

    public override void OnEnd(Activity data)
    {
        if (data.Source.Name == HttpServerSource)
        {
            if (data.GetTagItem("http.route") is not string route)
            {
                route = UnknownRoute;
                data.DisplayName = $"{data.GetTagItem("http.request.method")} {route}";
            }

            data.SetTag("url.path", route).SetTag("url.query", null);
        }
    }
}
