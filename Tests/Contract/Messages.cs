using System.Collections;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using Orleans;
using Orleans.Serialization;
using Plane.Tests.Grains;

namespace Plane.Tests.Contract;

/// <summary>Every message of the contract, found by reflection: complete attributes, and nothing lost on a JSON wire.</summary>
public sealed class Messages
{
    private const BindingFlags Declared = BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly;

    // What a generator adds to the contract's assembly (references, codecs) is no part of it.
    private static readonly Type[] s_types =
        [.. typeof(KeyConfig).Assembly.GetTypes().Where(t => t.Namespace?.StartsWith("Plane", StringComparison.Ordinal) == true)];

    private static readonly Serializer s_serializer = new ServiceCollection().AddSerializer().BuildServiceProvider().GetRequiredService<Serializer>();

    public static TheoryData<Type> All() => [.. s_types.Where(t => t.IsPublic && t.GetCustomAttribute<GenerateSerializerAttribute>() is not null && !t.IsSubclassOf(typeof(Exception)))];

    public static TheoryData<Type> Grains() => [.. s_types.Where(t => t.IsInterface && typeof(IGrain).IsAssignableFrom(t))];

    [Theory]
    [MemberData(nameof(All))]
    public void Every_member_that_is_stored_has_a_number_of_its_own(Type type)
    {
        Assert.NotNull(type.GetCustomAttribute<AliasAttribute>());
        if (type.IsEnum)
        {
            return;
        }

        Assert.True(type.IsSealed, "messages are sealed");
        var ids = new List<uint>();
        foreach (var field in type.GetFields(Declared))
        {
            // The attribute stands on the property where the compiler made the field for one.
            var name = field.Name.StartsWith('<') ? field.Name[1..field.Name.IndexOf('>', StringComparison.Ordinal)] : null;
            var id = (name is null ? (MemberInfo)field : type.GetProperty(name, Declared)!).GetCustomAttribute<IdAttribute>();
            Assert.True(id is not null, $"{type.Name}.{name ?? field.Name} has no [Id]");
            ids.Add(id.Id);
        }

        Assert.NotEmpty(ids);
        Assert.Equal(ids.Count, ids.Distinct().Count());
    }

    [Fact]
    public void No_two_types_share_an_alias()
    {
        var aliases = s_types.Select(t => t.GetCustomAttribute<AliasAttribute>()?.Alias).OfType<string>().ToArray();
        Assert.All(aliases, a => Assert.StartsWith("plane.", a, StringComparison.Ordinal));
        Assert.Equal(aliases.Length, aliases.Distinct().Count());
    }

    [Theory]
    [MemberData(nameof(Grains))]
    public void Every_method_of_a_grain_has_an_alias_and_speaks_in_messages(Type grain)
    {
        Assert.NotNull(grain.GetCustomAttribute<AliasAttribute>());
        var aliases = new List<string>();
        foreach (var method in grain.GetMethods())
        {
            var alias = method.GetCustomAttribute<AliasAttribute>();
            Assert.True(alias is not null, $"{grain.Name}.{method.Name} has no [Alias]");
            aliases.Add(alias.Alias);
            Assert.True(typeof(Task).IsAssignableFrom(method.ReturnType));
            var parameters = method.GetParameters();
            Assert.Equal(typeof(CancellationToken), parameters[^1].ParameterType);
            IEnumerable<Type> spoken = [.. parameters[..^1].Select(p => p.ParameterType), .. method.ReturnType.GetGenericArguments()];
            Assert.All(spoken, AssertMessage);
        }

        Assert.Equal(aliases.Count, aliases.Distinct().Count());
    }

    [Theory]
    [MemberData(nameof(All))]
    public void Every_member_is_of_a_type_that_may_travel(Type type)
    {
        if (!type.IsEnum)
        {
            Assert.All(type.GetFields(Declared).Select(f => f.FieldType), AssertMessage);
        }
    }

    [Theory]
    [MemberData(nameof(All))]
    public void Every_message_comes_back_as_it_went(Type type)
    {
        for (var seed = 0; seed < 40; seed++)
        {
            var message = Generate(type, new Random(seed), 0)!;
            var json = JsonSerializer.Serialize(message, type);
            var back = JsonSerializer.Deserialize(json, type)!;
            AssertSame(message, back, type.Name);
            Assert.Equal(json, JsonSerializer.Serialize(back, type));
        }
    }

    [Theory]
    [MemberData(nameof(All))]
    public void Every_message_comes_back_over_the_clusters_wire_as_it_went(Type type)
    {
        for (var seed = 0; seed < 40; seed++)
        {
            var message = Generate(type, new Random(seed), 0)!;
            AssertSame(message, s_serializer.Deserialize<object>(s_serializer.SerializeToArray(message)), type.Name);
        }
    }

    [Fact]
    public void An_invalid_name_does_not_come_over_the_clusters_wire()
    {
        foreach (var type in s_types.Where(IsName).Append(typeof(JsonText)))
        {
            foreach (var text in new[] { "", " ", "A_\0", "\ud800", "{", new string('a', 300) + "_" })
            {
                var hostile = HostileValues.Named(type, text);
                Assert.Equal(Activator.CreateInstance(type), s_serializer.Deserialize<object>(s_serializer.SerializeToArray(hostile)));
            }

            var none = Activator.CreateInstance(type)!;
            Assert.Equal(none, s_serializer.Deserialize<object>(s_serializer.SerializeToArray(none)));
        }
    }

    [Fact]
    public void A_refusal_comes_back_as_what_it_is()
    {
        Exception sent = new InvalidCallException("pool must be a string");
        var back = s_serializer.Deserialize<Exception>(s_serializer.SerializeToArray(sent));
        Assert.Equal(sent.Message, Assert.IsType<InvalidCallException>(back).Message);
    }

    [Fact]
    public void No_message_prints_a_secret()
    {
        var token = BearerToken.NewRandom();
        var shared = BearerToken.NewStatic();
        const string Secret = "secret-word";
        object[] messages =
        [
            new ConnectCommand
            {
                Request = new ConnectRequest { Key = new KeyConfig { Name = "a" } },
                Drawn = new DrawnValues { BackendId = BackendName.NewRandom(), Token = token, StaticToken = shared, SecretToken = "" },
            },
            new RegistryCredentials { Username = "u", Password = Secret },
            new Executable { Image = "i", Env = new() { ["A"] = Secret }, Credentials = new RegistryCredentials { Username = "u", Password = Secret } },
            new RevokeScope { Token = token },
            new Route
            {
                Backend = new BackendIdentity(BackendName.NewRandom(), new FencingToken(1)), Cluster = ClusterName.Parse("a"), Address = "a:1", Status = BackendStatus.Ready,
                SecretToken = Secret,
            },
            new SigningKey { Kid = "k", Alg = SigningAlgorithm.HS256, Material = Secret },
            new SigningKeyRequest { Kid = "k", Alg = SigningAlgorithm.HS256, Secret = Secret },
        ];
        foreach (var message in messages)
        {
            Assert.DoesNotContain(token.Value, message.ToString(), StringComparison.Ordinal);
            Assert.DoesNotContain(shared.Value, message.ToString(), StringComparison.Ordinal);
            Assert.DoesNotContain(Secret, message.ToString(), StringComparison.Ordinal);
        }
    }

    private static bool IsName(Type type) =>
        type.IsValueType && type.GetInterfaces().Any(i => i.IsGenericType && i.GetGenericTypeDefinition() == typeof(IPlaneName<>));

    private static void AssertMessage(Type type)
    {
        type = Nullable.GetUnderlyingType(type) ?? type;
        var allowed = type.IsPrimitive
            || type == typeof(string) || type == typeof(TimeSpan) || type == typeof(DateTimeOffset) || type == typeof(JsonText) || IsName(type)
            || type.GetCustomAttribute<GenerateSerializerAttribute>() is not null;
        if (type.IsArray)
        {
            AssertMessage(type.GetElementType()!);
        }
        else if (type.IsGenericType && type.GetGenericTypeDefinition() == typeof(Dictionary<,>))
        {
            Assert.Equal(typeof(string), type.GetGenericArguments()[0]);
            AssertMessage(type.GetGenericArguments()[1]);
        }
        else
        {
            Assert.True(allowed, $"{type} must not travel");
        }
    }

    /// <summary>A value with everything filled in, often enough also with nothing where nothing is allowed.</summary>
    private static object? Generate(Type type, Random random, int depth)
    {
        if (Nullable.GetUnderlyingType(type) is { } inner)
        {
            return random.Next(4) == 0 ? null : Generate(inner, random, depth);
        }

        return type switch
        {
            _ when type == typeof(string) => Text(random),
            _ when type == typeof(bool) => random.Next(2) == 0,
            _ when type == typeof(int) => random.Next(int.MinValue, int.MaxValue),
            _ when type == typeof(long) => random.NextInt64(long.MinValue, long.MaxValue),
            _ when type == typeof(double) => random.NextDouble() * random.Next(),
            _ when type == typeof(TimeSpan) => new TimeSpan(random.NextInt64(-TimeSpan.TicksPerDay, TimeSpan.TicksPerDay)),
            _ when type == typeof(DateTimeOffset) => new DateTimeOffset(random.NextInt64(DateTime.MaxValue.Ticks), TimeSpan.Zero),
            _ when type == typeof(JsonText) => JsonText.TryParse(JsonSerializer.Serialize(new { a = Text(random), b = new[] { 1.5, -2 } }), out var j) ? j : throw new InvalidOperationException(),
            _ when type == typeof(ServiceAccess) => random.Next(3) switch { 0 => ServiceAccess.Public, 1 => ServiceAccess.Signed, _ => ServiceAccess.ByForwardAuth(Text(random)) },
            _ when type == typeof(FencingToken) => new FencingToken(random.NextInt64(1, long.MaxValue)),
            _ when type == typeof(ClusterName) => ClusterName.Parse($"c{random.Next(99)}.example.com:{random.Next(1, 65_535)}"),
            _ when type == typeof(BearerToken) => random.Next(2) == 0 ? BearerToken.NewRandom() : BearerToken.NewStatic(),
            _ when type.GetMethod("NewRandom", BindingFlags.Public | BindingFlags.Static) is { } make && make.ReturnType == type && type.IsValueType => make.Invoke(null, null),
            _ when IsName(type) => NameOf(type, random),
            _ when type.IsEnum => Enum.GetValuesAsUnderlyingType(type) is var values ? Enum.ToObject(type, values.GetValue(random.Next(values.Length))!) : null,
            _ when type.IsArray => GenerateArray(type.GetElementType()!, random, depth),
            _ when type.IsGenericType && type.GetGenericTypeDefinition() == typeof(Dictionary<,>) => new Dictionary<string, string> { ["A"] = Text(random), [Text(random) + "B"] = "" },
            _ => GenerateRecord(type, random, depth),
        };
    }

    private static object? NameOf(Type type, Random random)
    {
        foreach (var prefix in new[] { "co-", "dr-", "px-", "ns-", "" })
        {
            try
            {
                return type.GetMethod("Parse", [typeof(string)])!.Invoke(null, [$"{prefix}n{random.Next(1_000)}"]);
            }
            catch (TargetInvocationException e) when (e.InnerException is FormatException)
            {
                continue;
            }
        }

        throw new InvalidOperationException($"no name for {type}");
    }

    private static Array GenerateArray(Type element, Random random, int depth)
    {
        var array = Array.CreateInstance(element, depth > 3 ? 0 : random.Next(3));
        for (var i = 0; i < array.Length; i++)
        {
            array.SetValue(Generate(element, random, depth + 1), i);
        }

        return array;
    }

    private static object GenerateRecord(Type type, Random random, int depth)
    {
        var nullability = new NullabilityInfoContext();
        var message = RuntimeHelpers.GetUninitializedObject(type);
        foreach (var field in type.GetFields(Declared))
        {
            var property = type.GetProperty(field.Name.StartsWith('<') ? field.Name[1..field.Name.IndexOf('>', StringComparison.Ordinal)] : field.Name, Declared);
            var mayBeNull = property is not null && nullability.Create(property).ReadState == NullabilityState.Nullable;
            field.SetValue(message, mayBeNull && random.Next(3) == 0 ? null : Generate(field.FieldType, random, depth + 1));
        }

        return message;
    }

    private static string Text(Random random) => string.Concat(
        Enumerable.Range(0, random.Next(6)).Select(_ => new[] { "a", "\"", "\\", "\u0001", "ä", "\ud83d\udd11", "<", "\u2028", " " }[random.Next(9)]));

    // Records compare arrays by reference: compared member by member instead.
    private static void AssertSame(object? expected, object? actual, string path)
    {
        if (expected is null || actual is null || expected is string || expected.GetType().IsPrimitive || expected.GetType().IsEnum || expected.GetType().IsValueType)
        {
            Assert.True(Equals(expected, actual), $"{path}: {expected} came back as {actual}");
        }
        else if (expected is Array array)
        {
            var other = Assert.IsAssignableFrom<Array>(actual);
            Assert.Equal(array.Length, other.Length);
            for (var i = 0; i < array.Length; i++)
            {
                AssertSame(array.GetValue(i), other.GetValue(i), $"{path}[{i}]");
            }
        }
        else if (expected is IDictionary map)
        {
            var other = Assert.IsAssignableFrom<IDictionary>(actual);
            Assert.Equal(map.Count, other.Count);
            foreach (DictionaryEntry entry in map)
            {
                AssertSame(entry.Value, other[entry.Key], $"{path}[{entry.Key}]");
            }
        }
        else
        {
            foreach (var field in expected.GetType().GetFields(Declared))
            {
                AssertSame(field.GetValue(expected), field.GetValue(actual), $"{path}.{field.Name}");
            }
        }
    }
}
