using System.Globalization;
using System.Net;
using System.Text;

namespace Plane.Tests.Telemetry;

/// <summary>Draws a trace as a page: one line a span, indented under its parent, with a bar on the time axis.</summary>
internal static class TracePicture
{
    private const int Axis = 620;

    private static readonly Dictionary<string, string> s_colours = new()
    {
        ["plane-controller"] = "#3b6fb6", ["plane-drone"] = "#3f8f5f", ["plane-proxy"] = "#b4662c",
    };

    public static string Html(IReadOnlyList<ExportedSpan> trace)
    {
        var start = trace.Min(s => s.Start);
        var length = trace.Max(s => s.End) - start;
        var html = new StringBuilder(
            """
            <!doctype html><meta charset="utf-8"><title>One connect</title><style>
            body{font:13px system-ui,sans-serif;margin:16px;color:#1d2733;background:#fff;width:1180px}
            .row{display:grid;grid-template-columns:400px 640px 100px;height:19px;align-items:center}.row:nth-child(even){background:#f4f6f8}
            .name{white-space:nowrap;overflow:hidden;text-overflow:ellipsis}.name small{color:#6a7683}.axis{position:relative;height:12px}
            .bar{position:absolute;height:12px;border-radius:2px;min-width:2px}.took{text-align:right;color:#46525e;font-variant-numeric:tabular-nums}
            p{margin:0 0 10px}p span{display:inline-block;padding:1px 8px;margin-right:8px;border-radius:3px;color:#fff}
            </style><p>
            """);
        foreach (var (service, colour) in s_colours)
        {
            html.Append(CultureInfo.InvariantCulture, $"<span style='background:{colour}'>{service}</span>");
        }

        html.Append("</p><main>");
        var known = trace.Select(s => s.SpanId).ToHashSet();
        foreach (var root in trace.Where(s => !known.Contains(s.ParentId)).OrderBy(s => s.Start))
        {
            Append(root, 0);
        }

        return html.Append("</main>").ToString();

        void Append(ExportedSpan span, int depth)
        {
            var left = (span.Start - start) * Axis / (double)length;
            var width = (span.End - span.Start) * Axis / (double)length;
            html.Append(
                CultureInfo.InvariantCulture,
                $"""
                <div class="row" data-service="{span.Service}"><div class="name" style="padding-left:{depth * 14}px">{WebUtility.HtmlEncode(Label(span))} <small>{WebUtility.HtmlEncode(span.Source)}</small></div>
                <div class="axis"><div class="bar" style="left:{left:0.#}px;width:{width:0.#}px;background:{s_colours.GetValueOrDefault(span.Service, "#888")}"></div></div>
                <div class="took">{(span.End - span.Start) / 1e6:0.0} ms</div></div>
                """);
            foreach (var child in trace.Where(s => s.ParentId == span.SpanId).OrderBy(s => s.Start))
            {
                Append(child, depth + 1);
            }
        }
    }

    // A statement says more than its database's name, a path more than its method. Names of containers are long.
    private static string Label(ExportedSpan span) =>
        span.Attributes.TryGetValue("db.query.text", out var sql) ? string.Join(' ', sql.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries).Take(4))
        : span.Attributes.TryGetValue("url.full", out var url) ? $"{span.Name} {string.Join('/', new Uri(url).AbsolutePath.Split('/').Select(p => p.Length > 24 ? "…" : p))}"
        : span.Name;
}
