using System.Reflection;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;

namespace Orleans.Contract;

/// <summary>How messages become JSON. Both ends share it, in-process copies too.</summary>
internal static class EngineJson
{
    public static JsonSerializerOptions Options { get; } = Create();

    private static JsonSerializerOptions Create()
    {
        var resolver = new DefaultJsonTypeInfoResolver();
        resolver.Modifiers.Add(DropComputedProperties);
        var options = new JsonSerializerOptions
        {
            TypeInfoResolver = resolver,
            Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
            NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
            AllowOutOfOrderMetadataProperties = true,
            MaxDepth = 64,
        };
        options.Converters.Add(new DefinedEnumConverterFactory());
        options.MakeReadOnly();
        return options;
    }

    /// <summary>What a type computes from its other members does not travel: it would only be thrown away at the other end.</summary>
    private static void DropComputedProperties(JsonTypeInfo info)
    {
        if (info.Kind != JsonTypeInfoKind.Object)
        {
            return;
        }

        for (var i = info.Properties.Count - 1; i >= 0; i--)
        {
            if (info.Properties[i] is { Set: null, AttributeProvider: PropertyInfo property } && !MessageMembers.IsStored(property))
            {
                info.Properties.RemoveAt(i);
            }
        }
    }
}

/// <summary>Which properties of a message are its content.</summary>
internal static class MessageMembers
{
    /// <summary>Whether the compiler keeps a field for the property, i.e. it isn't computed from others.</summary>
    public static bool IsStored(PropertyInfo property) =>
        property.DeclaringType?.GetField($"<{property.Name}>k__BackingField", BindingFlags.Instance | BindingFlags.NonPublic | BindingFlags.DeclaredOnly) is not null;
}

/// <summary>
/// Enums travel as numbers and are refused when the number is none of theirs: <c>System.Text.Json</c> would let any number pass, and a state nobody knows
/// would enter a state machine.
/// </summary>
internal sealed class DefinedEnumConverterFactory : JsonConverterFactory
{
    public override bool CanConvert(Type typeToConvert) =>
        typeToConvert.IsEnum && typeToConvert.GetCustomAttribute<JsonConverterAttribute>() is null;

    public override JsonConverter CreateConverter(Type typeToConvert, JsonSerializerOptions options) =>
        (JsonConverter)Activator.CreateInstance(typeof(DefinedEnumConverter<>).MakeGenericType(typeToConvert))!;
}

internal sealed class DefinedEnumConverter<T> : JsonConverter<T>
    where T : struct, Enum
{
    private static readonly bool IsUnsigned64 = Enum.GetUnderlyingType(typeof(T)) == typeof(ulong);
    private static readonly bool IsFlags = typeof(T).IsDefined(typeof(FlagsAttribute), false);
    private static readonly ulong AllFlags = IsFlags ? Enum.GetValues<T>().Aggregate(0UL, (all, v) => all | Bits(v)) : 0;

    public override T Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        T value;
        try
        {
            value = IsUnsigned64 ? (T)Enum.ToObject(typeof(T), reader.GetUInt64()) : (T)Enum.ToObject(typeof(T), reader.GetInt64());
        }
        catch (Exception e) when (e is InvalidOperationException or FormatException)
        {
            throw new JsonException($"a value of {typeof(T).Name} is not a number", e);
        }

        // Enum.ToObject cuts a number that is too wide for the underlying type; the way back shows it.
        var exact = IsUnsigned64 ? Bits(value) == reader.GetUInt64() : Signed(value) == reader.GetInt64();
        var known = IsFlags ? (Bits(value) & ~AllFlags) == 0 : Enum.IsDefined(value);
        return exact && known ? value : throw new JsonException($"{typeof(T).Name} has no value {value}");
    }

    public override void Write(Utf8JsonWriter writer, T value, JsonSerializerOptions options)
    {
        if (IsUnsigned64)
        {
            writer.WriteNumberValue(Bits(value));
        }
        else
        {
            writer.WriteNumberValue(Signed(value));
        }
    }

    private static long Signed(T value) => Convert.ToInt64(value, System.Globalization.CultureInfo.InvariantCulture);

    private static ulong Bits(T value) => IsUnsigned64 ? Convert.ToUInt64(value, System.Globalization.CultureInfo.InvariantCulture) : unchecked((ulong)Signed(value));
}
