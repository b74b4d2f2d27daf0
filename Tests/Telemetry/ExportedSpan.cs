using Google.Protobuf;

namespace Plane.Tests.Telemetry;

/// <summary>A span as it came over the wire (opentelemetry/proto/trace/v1/trace.proto).</summary>
public sealed record ExportedSpan
{
    /// <summary>Of the program that recorded it.</summary>
    public string Service { get; private set; } = "";

    /// <summary>The name of the source.</summary>
    public string Source { get; private set; } = "";

    public string TraceId { get; private set; } = "";

    public string SpanId { get; private set; } = "";

    /// <summary>Empty for the first span of a trace.</summary>
    public string ParentId { get; private set; } = "";

    public string Name { get; private set; } = "";

    public ulong Start { get; private set; }

    public ulong End { get; private set; }

    public Dictionary<string, string> Attributes { get; } = [];

    public List<string> Links { get; } = [];

    /// <summary>Reads an <c>ExportTraceServiceRequest</c>.</summary>
    public static IReadOnlyList<ExportedSpan> Read(byte[] message)
    {
        var spans = new List<ExportedSpan>();
        Each(message, (field, s) =>
        {
            if (field == 1)
            {
                ReadResource(s.ReadBytes(), spans);
            }
        });
        return spans;
    }

    // ResourceSpans { resource = 1 { attributes = 1 }, scope_spans = 2 }
    private static void ReadResource(ByteString message, List<ExportedSpan> spans)
    {
        var service = "";
        Each(message, (field, s) =>
        {
            if (field == 1)
            {
                service = Pairs(s.ReadBytes(), 1).GetValueOrDefault("service.name", "");
            }
            else if (field == 2)
            {
                ReadScope(s.ReadBytes(), service, spans);
            }
        });
    }

    // ScopeSpans { scope = 1 { name = 1 }, spans = 2 }
    private static void ReadScope(ByteString message, string service, List<ExportedSpan> spans)
    {
        var source = "";
        Each(message, (field, s) =>
        {
            if (field == 1)
            {
                Each(s.ReadBytes(), (f, scope) => source = f == 1 ? scope.ReadString() : source);
            }
            else if (field == 2)
            {
                spans.Add(Of(s.ReadBytes(), service, source));
            }
        });
    }

    private static ExportedSpan Of(ByteString message, string service, string source)
    {
        var span = new ExportedSpan { Service = service, Source = source };
        Each(message, (field, s) =>
        {
            switch (field)
            {
                case 1:
                    span.TraceId = Hex(s);
                    break;
                case 2:
                    span.SpanId = Hex(s);
                    break;
                case 4:
                    span.ParentId = Hex(s);
                    break;
                case 5:
                    span.Name = s.ReadString();
                    break;
                case 7:
                    span.Start = s.ReadFixed64();
                    break;
                case 8:
                    span.End = s.ReadFixed64();
                    break;
                case 9:
                    var (key, value) = Pair(s.ReadBytes());
                    span.Attributes[key] = value;
                    break;
                case 13:
                    Each(s.ReadBytes(), (f, l) =>
                    {
                        if (f == 1)
                        {
                            span.Links.Add(Hex(l));
                        }
                    });
                    break;
            }
        });
        return span;
    }

    private static string Hex(CodedInputStream stream) => Convert.ToHexStringLower(stream.ReadBytes().Span);

    private static Dictionary<string, string> Pairs(ByteString message, int at)
    {
        var pairs = new Dictionary<string, string>();
        Each(message, (field, s) =>
        {
            if (field == at)
            {
                var (key, value) = Pair(s.ReadBytes());
                pairs[key] = value;
            }
        });
        return pairs;
    }

    // KeyValue { key = 1, value = 2 { string = 1, bool = 2, int = 3, double = 4 } }
    private static (string Key, string Value) Pair(ByteString message)
    {
        var (key, value) = ("", "");
        Each(message, (field, s) =>
        {
            if (field == 1)
            {
                key = s.ReadString();
            }
            else if (field == 2)
            {
                Each(s.ReadBytes(), (kind, v) => value = kind switch
                {
                    1 => v.ReadString(),
                    2 => v.ReadBool() ? "true" : "false",
                    3 => $"{v.ReadInt64()}",
                    4 => $"{v.ReadDouble()}",
                    _ => value,
                });
            }
        });
        return (key, value);
    }

    /// <summary>Calls for each field; one that is not read is skipped.</summary>
    private static void Each(ByteString message, Action<int, CodedInputStream> read) => Each(message.ToByteArray(), read);

    private static void Each(byte[] message, Action<int, CodedInputStream> read)
    {
        var stream = new CodedInputStream(message);
        for (uint tag; (tag = stream.ReadTag()) != 0;)
        {
            var at = stream.Position;
            read(WireFormat.GetTagFieldNumber(tag), stream);
            if (stream.Position == at)
            {
                stream.SkipLastField();
            }
        }
    }
}
