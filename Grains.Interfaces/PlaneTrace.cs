using System.Diagnostics;

namespace Plane;

/// <summary>
/// Plane's own spans, beside those of ASP.NET Core, Orleans, Npgsql and the HTTP client. Without a listener, that is without an exporter of traces, no activity is created.
/// No span holds a token, a secret, or a URL that has one in it.
/// </summary>
public static class PlaneTrace
{
    /// <summary>The name of the source.</summary>
    public const string SourceName = "Plane";

    /// <summary>A backend's name, as a tag.</summary>
    public const string BackendTag = "plane.backend";

    private const int ParentLength = 55;

    /// <summary>The source.</summary>
    public static ActivitySource Source { get; } = new(SourceName);

    /// <summary>
    /// The trace that continues elsewhere, as W3C's <c>traceparent</c> (55 characters): what a row or a header carries. Null where there is none.
    /// </summary>
    public static string? Parent => Activity.Current is { IdFormat: ActivityIdFormat.W3C } current ? current.Id : null;

    /// <summary>Begins a span of a trace that began elsewhere.</summary>
    /// <param name="name">The span's name.</param>
    /// <param name="kind">Its kind.</param>
    /// <param name="parent">What <see cref="Parent"/> was there. What is not valid counts as none; the span then begins a trace.</param>
    public static Activity? Continue(string name, ActivityKind kind, string? parent) =>
        Source.HasListeners() && ActivityContext.TryParse(ValidOrNull(parent), traceState: null, isRemote: true, out var context)
            ? Source.StartActivity(name, kind, context)
            : Source.StartActivity(name, kind);

    /// <summary>The trace parent, unless it is not a valid one: it may have been read from a row.</summary>
    /// <param name="parent">A <c>traceparent</c> of version 00.</param>
    public static string? ValidOrNull(string? parent) =>
        parent is { Length: ParentLength } && ActivityContext.TryParse(parent, traceState: null, out _) ? parent : null;

    /// <summary>Marks a span as failed, by the kind of the failure alone: what an exception says may come from outside.</summary>
    /// <param name="span">The span, where there is one.</param>
    /// <param name="failure">The failure.</param>
    public static void Fail(this Activity? span, Exception failure)
    {
        ArgumentNullException.ThrowIfNull(failure);
        span?.SetTag("error.type", failure.GetType().FullName)?.SetStatus(ActivityStatusCode.Error);
    }
}
