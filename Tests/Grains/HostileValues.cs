using System.Reflection;
using System.Runtime.CompilerServices;

namespace Plane.Tests.Grains;

/// <summary>Values that no well-behaved client sends, made by reflection past every constructor and rule: of each type, and of each member of each message, however deep.</summary>
public static class HostileValues
{
    private const BindingFlags Fields = BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly;

    private static readonly string s_huge = new('x', 1_000_000);

    private static readonly string?[] s_texts = [null, "", " ", "a\0b", "\u0001", "\u0085", "\ud800", new string('y', 300), s_huge, "a'b\"c; drop table keys; --", "{", "A_/:"];

    private static readonly MethodInfo s_clone = typeof(object).GetMethod("MemberwiseClone", BindingFlags.Instance | BindingFlags.NonPublic)!;

    /// <summary>A name, or JSON, of any text.</summary>
    public static object Named(Type type, string? text)
    {
        var name = Activator.CreateInstance(type)!;
        Assert.Single(type.GetFields(Fields)).SetValue(name, text);
        return name;
    }

    /// <summary>The text of a name, valid or not.</summary>
    public static string? TextOf(object name) => (string?)name.GetType().GetFields(Fields).Single().GetValue(name);

    /// <summary>Hostile values in place of a valid one.</summary>
    /// <param name="type">What is expected.</param>
    /// <param name="valid">What would be valid; null where nothing is given.</param>
    public static IEnumerable<object?> Of(Type type, object? valid)
    {
        if (Nullable.GetUnderlyingType(type) is { } inner)
        {
            return Of(inner, valid).Append(null);
        }

        return type switch
        {
            _ when type == typeof(string) => s_texts,
            _ when type == typeof(bool) => [true, false],
            _ when type == typeof(int) => [int.MinValue, -1, 0, int.MaxValue],
            _ when type == typeof(long) => [long.MinValue, -1L, 0L, long.MaxValue],
            _ when type == typeof(TimeSpan) => [TimeSpan.MinValue, TimeSpan.FromTicks(-1), TimeSpan.Zero, TimeSpan.MaxValue],
            _ when type.IsEnum => [Enum.ToObject(type, -1), Enum.ToObject(type, 99), Enum.ToObject(type, int.MaxValue)],
            _ when type.IsArray => Arrays(type.GetElementType()!, valid as Array),
            _ when type == typeof(Dictionary<string, string>) => Maps(),
            _ when type.IsValueType && type.GetFields(Fields) is [{ } text] && text.FieldType == typeof(string) => s_texts.Select(t => Named(type, t)),
            _ => Messages(type, valid),
        };
    }

    private static IEnumerable<object?> Arrays(Type element, Array? valid)
    {
        yield return null;
        yield return Array.CreateInstance(element, 0);
        yield return Array.CreateInstance(element, 70_000);
        foreach (var value in Of(element, valid?.Length > 0 ? valid.GetValue(0) : null))
        {
            var array = Array.CreateInstance(element, 1);
            array.SetValue(value, 0);
            yield return array;
        }
    }

    private static IEnumerable<object?> Maps()
    {
        yield return null;
        yield return Enumerable.Range(0, 10_000).ToDictionary(i => $"v{i}", _ => "");
        foreach (var text in s_texts)
        {
            yield return new Dictionary<string, string> { ["a"] = text! };
            if (text is not null)
            {
                yield return new Dictionary<string, string> { [text] = "b" };
            }
        }
    }

    private static IEnumerable<object?> Messages(Type type, object? valid)
    {
        // Nothing of it set, as a serialiser makes it that was sent no member.
        var empty = RuntimeHelpers.GetUninitializedObject(type);
        yield return type.IsValueType ? empty : null;
        yield return empty;
        foreach (var field in type.GetFields(Fields))
        {
            foreach (var value in Of(field.FieldType, valid is null ? null : field.GetValue(valid)))
            {
                var message = s_clone.Invoke(valid ?? empty, null)!;
                field.SetValue(message, value);
                yield return message;
            }
        }
    }
}
