using System.Globalization;
using System.Reflection;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.OpenApi;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.OpenApi;
using Plane.Hosting;
using Plane.Silo.Http.Endpoints;

namespace Plane.Silo.Http.OpenApi;

/// <summary>
/// <c>/openapi.json</c>: what the generator reads from routes and types, corrected where our converters write something else than the type looks like.
/// </summary>
internal static class ApiDescription
{
    public static void AddPlaneOpenApi(this IServiceCollection services)
    {
        services.ConfigureHttpJsonOptions(o =>
        {
            var (from, to) = (PlaneJson.Http, o.SerializerOptions);
            to.PropertyNamingPolicy = from.PropertyNamingPolicy;
            to.PropertyNameCaseInsensitive = from.PropertyNameCaseInsensitive;
            to.NumberHandling = from.NumberHandling;
            to.MaxDepth = from.MaxDepth;
            to.RespectNullableAnnotations = from.RespectNullableAnnotations;
            to.Encoder = from.Encoder;
            foreach (var converter in from.Converters)
            {
                to.Converters.Add(converter);
            }
        });
        services.AddOpenApi(o =>
        {
            o.AddDocumentTransformer(DescribeDocument);
            o.AddOperationTransformer(DescribeOperation);
            o.AddSchemaTransformer(DescribeSchema);
        });
    }

    private static Task DescribeDocument(OpenApiDocument document, OpenApiDocumentTransformerContext context, CancellationToken cancellationToken)
    {
        document.Info = new OpenApiInfo
        {
            Title = "Plane controller",
            Version = PlaneVersion.Current.Version,
            Description = "Session backends, one per key. /ctrl is for trusted callers, /pub for anyone. "
                + "Times are milliseconds since the Unix epoch, durations seconds.",
        };
        document.Servers = [];
        document.Components ??= new OpenApiComponents();
        document.Components.SecuritySchemes ??= new Dictionary<string, IOpenApiSecurityScheme>();
        document.Components.SecuritySchemes["bearer"] = new OpenApiSecurityScheme
        {
            Type = SecuritySchemeType.Http,
            Scheme = "bearer",
            Description = "The controller's token (--ctrl-token-file), or whatever the forward-auth service takes.",
        };
        var required = new OpenApiSecurityRequirement { [new OpenApiSecuritySchemeReference("bearer", document)] = [] };
        foreach (var (path, item) in document.Paths)
        {
            foreach (var operation in item.Operations?.Values.AsEnumerable() ?? [])
            {
                operation.Security = path.StartsWith("/ctrl/", StringComparison.Ordinal) ? [required] : [];
            }
        }

        return Task.CompletedTask;
    }

    private static async Task DescribeOperation(OpenApiOperation operation, OpenApiOperationTransformerContext context, CancellationToken cancellationToken)
    {
        var kinds = context.Description.ActionDescriptor.EndpointMetadata.OfType<ErrorKinds>().SelectMany(k => k.Kinds).Distinct();
        if (context.Document is { } document && document.Components?.Schemas?.ContainsKey(nameof(PlaneError)) != true)
        {
            document.AddComponent(nameof(PlaneError), await context.GetOrCreateSchemaAsync(typeof(PlaneError), null, cancellationToken));
        }

        operation.Responses ??= [];
        foreach (var status in kinds.GroupBy(ErrorStatus.Of).OrderBy(g => g.Key))
        {
            operation.Responses[status.Key.ToString(CultureInfo.InvariantCulture)] = new OpenApiResponse
            {
                Description = string.Join(", ", status),
                Content = new Dictionary<string, OpenApiMediaType>
                {
                    ["application/json"] = new() { Schema = new OpenApiSchemaReference(nameof(PlaneError), context.Document) },
                },
            };
        }

        // Read as texts, so that a wrong one gets our error; described as what they are.
        foreach (var parameter in operation.Parameters?.OfType<OpenApiParameter>() ?? [])
        {
            parameter.Schema = (operation.OperationId, parameter.Name) switch
            {
                ("backends", "limit") => Number(1, BackendQuery.MaxLimit),
                ("busiest", "limit") => Number(1, BusyBackend.MaxRows),
                ("events", "limit") => Number(1, EventEndpoints.MaxPage),
                ("backend_logs", "tail") => Number(0, OutputRequest.MaxTail),
                ("backend_logs", "since" or "after") => Number(0, null),
                ("backend_logs", "stream") => new OpenApiSchema { Type = JsonSchemaType.String, Enum = [(JsonNode)"stdout", (JsonNode)"stderr"] },
                (_, "terminate" or "keep" or "follow") => new OpenApiSchema { Type = JsonSchemaType.Boolean },
                _ => parameter.Schema,
            };
        }
    }

    private static OpenApiSchema Number(long least, long? greatest) => new()
    {
        Type = JsonSchemaType.Integer,
        Format = "int64",
        Minimum = least.ToString(CultureInfo.InvariantCulture),
        Maximum = greatest?.ToString(CultureInfo.InvariantCulture),
    };

    private static Task DescribeSchema(OpenApiSchema schema, OpenApiSchemaTransformerContext context, CancellationToken cancellationToken)
    {
        var type = Nullable.GetUnderlyingType(context.JsonTypeInfo.Type) ?? context.JsonTypeInfo.Type;
        var nullable = type != context.JsonTypeInfo.Type || schema.Type?.HasFlag(JsonSchemaType.Null) == true ? JsonSchemaType.Null : 0;
        if (type.GetInterfaces().Any(i => i.IsGenericType && i.GetGenericTypeDefinition() == typeof(IPlaneName<>)))
        {
            Become(schema, JsonSchemaType.String | nullable, (string)s_rule.MakeGenericMethod(type).Invoke(null, null)!);
        }
        else if (type == typeof(FencingToken))
        {
            Become(schema, JsonSchemaType.Integer | nullable, "Grows strictly with every acquisition of the key.", "int64");
        }
        else if (type == typeof(DateTimeOffset))
        {
            Become(schema, JsonSchemaType.Integer | nullable, "Milliseconds since the Unix epoch.", "int64");
        }
        else if (type == typeof(JsonText))
        {
            Become(schema, JsonSchemaType.Object | nullable, "Any JSON object; passed through.");
        }
        else if (type == typeof(NullResponse))
        {
            Become(schema, JsonSchemaType.Null, "Always null.");
        }
        else if (type == typeof(MountRequest))
        {
            Become(schema, JsonSchemaType.Boolean | JsonSchemaType.String | nullable, "true for a directory named after the key, or a relative path.");
        }
        else if (type == typeof(ServiceAccess))
        {
            Become(schema, JsonSchemaType.String | JsonSchemaType.Object, "\"public\", \"signed\", or an object with forward_auth, a URL.");
        }
        else if (type.IsEnum)
        {
            Become(schema, JsonSchemaType.String | nullable, schema.Description);
            schema.Enum = [.. Enum.GetValues(type).Cast<object>()
                .Select(v => (JsonNode)JsonSerializer.SerializeToNode(v, type, PlaneJson.Http)!)];
        }

        return Task.CompletedTask;
    }

    private static void Become(OpenApiSchema schema, JsonSchemaType type, string? description, string? format = null)
    {
        schema.Type = type;
        schema.Format = format;
        schema.Description ??= description;
        schema.Pattern = null;
        schema.Properties = null;
        schema.Required = null;
        schema.Enum = null;
    }

    private static readonly MethodInfo s_rule = typeof(ApiDescription).GetMethod(nameof(RuleOf), BindingFlags.NonPublic | BindingFlags.Static)!;

    private static string RuleOf<T>()
        where T : struct, IPlaneName<T> => T.Rule;
}
