using System.Reflection;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Plane.Silo.Http.Json;

/// <summary>
/// Says what is wrong with a JSON value that could not be read as a type: the first field that doesn't fit, by its path as the caller wrote it, and what it must
/// be. Walks the value along the type's own JSON contract, so that it can't say anything else than the reader does.
/// </summary>
internal static class JsonExplanation
{
    public static FieldError? FirstProblem(JsonElement value, Type type, JsonSerializerOptions options) => Find(value, type, options, "");

    private static FieldError? Find(JsonElement value, Type type, JsonSerializerOptions options, string path)
    {
        type = Nullable.GetUnderlyingType(type) ?? type;
        var contract = options.GetTypeInfo(type);
        switch (contract.Kind)
        {
            case JsonTypeInfoKind.Object:
                return value.ValueKind == JsonValueKind.Object ? FindInObject(value, contract, path) : At(path, "must be an object");
            case JsonTypeInfoKind.Dictionary:
                return value.ValueKind == JsonValueKind.Object
                    ? FindDuplicate(value, path, _ => true)
                        ?? FirstOf(value.EnumerateObject(), p => Find(p.Value, contract.ElementType!, options, Join(path, p.Name)))
                    : At(path, "must be an object");
            case JsonTypeInfoKind.Enumerable:
                return value.ValueKind == JsonValueKind.Array
                    ? FirstOf(value.EnumerateArray().Index(), i => Find(i.Item, contract.ElementType!, options, $"{path}[{i.Index}]"))
                    : At(path, "must be an array");
            default:
                return FitsScalar(value, type, options) ? null : At(path, Expectation(type, options));
        }
    }

    private static FieldError? FindInObject(JsonElement value, JsonTypeInfo contract, string path)
    {
        if (FindDuplicate(value, path, name => contract.Properties.Any(p => p.Name == name)) is { } duplicate)
        {
            return duplicate;
        }

        foreach (var property in contract.Properties)
        {
            var itsPath = Join(path, property.Name);
            if (!value.TryGetProperty(property.Name, out var field))
            {
                if (property.IsRequired)
                {
                    return At(itsPath, "is missing");
                }
            }
            else if (field.ValueKind == JsonValueKind.Null)
            {
                if (!property.IsSetNullable || (property.PropertyType.IsValueType && Nullable.GetUnderlyingType(property.PropertyType) is null))
                {
                    return At(itsPath, Expectation(property.PropertyType, contract.Options) + ", not null");
                }
            }
            else if (Find(field, property.PropertyType, contract.Options, itsPath) is { } problem)
            {
                return problem;
            }
        }

        return null;
    }

    private static FieldError? FindDuplicate(JsonElement value, string path, Func<string, bool> counts)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (var property in value.EnumerateObject())
        {
            if (TryName(property) is not { } name)
            {
                return At(path, "has a name with unpaired surrogates");
            }

            if (counts(name) && !seen.Add(name))
            {
                return At(Join(path, name), "is given twice");
            }
        }

        return null;
    }

    private static FieldError? FirstOf<T>(IEnumerable<T> items, Func<T, FieldError?> find) => items.Select(find).FirstOrDefault(p => p is not null);

    private static bool FitsScalar(JsonElement value, Type type, JsonSerializerOptions options)
    {
        try
        {
            value.Deserialize(type, options);
            return value.ValueKind != JsonValueKind.Null || !type.IsValueType;
        }
        catch (JsonException)
        {
            return false;
        }
        catch (InvalidOperationException)
        {
            // A string that is not valid UTF-16.
            return false;
        }
    }

    private static string Expectation(Type type, JsonSerializerOptions options)
    {
        type = Nullable.GetUnderlyingType(type) ?? type;
        if (type.IsEnum)
        {
            var names = Enum.GetValues(type).Cast<object>().Select(v => JsonSerializer.Serialize(v, type, options).Trim('"'));
            return $"must be one of {string.Join(", ", names)}";
        }

        if (type.GetInterfaces().Any(i => i.IsGenericType && i.GetGenericTypeDefinition() == typeof(IPlaneName<>)))
        {
            return "is not valid: " + (string)s_rule.MakeGenericMethod(type).Invoke(null, null)!;
        }

        return type switch
        {
            _ when type == typeof(string) => "must be a string of valid Unicode",
            _ when type == typeof(bool) => "must be true or false",
            _ when type == typeof(int) => $"must be a whole number from {int.MinValue} to {int.MaxValue}",
            _ when type == typeof(long) => "must be a whole number of 64 bits",
            _ when type == typeof(MountRequest) => "must be true or a relative path",
            _ when type == typeof(ServiceAccess) => "must be \"public\", \"signed\" or {\"forward_auth\": URL}",
            _ when type == typeof(JsonText) => "must be valid JSON",
            _ when type == typeof(DateTimeOffset) => "must be a time in milliseconds since the Unix epoch",
            _ => options.GetTypeInfo(type).Kind switch
            {
                JsonTypeInfoKind.Object or JsonTypeInfoKind.Dictionary => "must be an object",
                JsonTypeInfoKind.Enumerable => "must be an array",
                _ => "is not valid",
            },
        };
    }

    private static readonly MethodInfo s_rule = typeof(JsonExplanation).GetMethod(nameof(RuleOf), BindingFlags.NonPublic | BindingFlags.Static)!;

    private static string RuleOf<T>()
        where T : struct, IPlaneName<T> => T.Rule;

    private static string? TryName(JsonProperty property)
    {
        try
        {
            return property.Name;
        }
        catch (InvalidOperationException)
        {
            return null;
        }
    }

    private static FieldError At(string path, string problem) => new(path.Length == 0 ? "the body" : path, problem);

    // A name that the caller made up (of an environment variable) is shown only if it looks like one: an error message is not a place for payloads.
    private static string Join(string path, string name)
    {
        var shown = name.Length is > 0 and <= 64 && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-' or '.') ? name : "(name)";
        return path.Length == 0 ? shown : $"{path}.{shown}";
    }
}
