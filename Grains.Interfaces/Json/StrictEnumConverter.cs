using System.Text.Json.Serialization;

namespace Plane;

/// <summary>Writes an enum by its wire name; refuses numbers, so that an unknown one cannot pass.</summary>
/// <typeparam name="T">The enum.</typeparam>
public sealed class StrictEnumConverter<T>() : JsonStringEnumConverter<T>(namingPolicy: null, allowIntegerValues: false)
    where T : struct, Enum;
