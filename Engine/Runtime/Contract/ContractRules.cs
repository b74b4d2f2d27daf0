using System.Net;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace Orleans.Contract;

/// <summary>
/// What may stand in a grain call, so that both engines carry it and neither loses a part of it silently. Checked at start, because each breach would
/// otherwise show only in the first call, or, on one engine, as a default value.
/// </summary>
internal static class ContractRules
{
    private static readonly HashSet<Type> Primitives =
    [
        typeof(bool), typeof(byte), typeof(sbyte), typeof(short), typeof(ushort), typeof(int), typeof(uint), typeof(long), typeof(ulong), typeof(char),
        typeof(float), typeof(double), typeof(decimal), typeof(string), typeof(Guid), typeof(TimeSpan), typeof(DateTimeOffset), typeof(DateOnly), typeof(TimeOnly), typeof(Uri),
    ];

    private static readonly HashSet<Type> Banned =
    [
        typeof(object), typeof(JsonElement), typeof(JsonDocument), typeof(JsonNode), typeof(JsonObject), typeof(JsonArray), typeof(IPEndPoint), typeof(IPAddress), typeof(DateTime),
    ];

    /// <summary>Every breach of the rules by an interface and what its methods carry, in words for the author.</summary>
    public static IEnumerable<string> BreachesOf(Type grainInterface)
    {
        var seen = new HashSet<Type>();
        var breaches = new List<string>();
        if (!grainInterface.IsDefined(typeof(AliasAttribute), false))
        {
            breaches.Add($"{grainInterface}: a grain interface needs [Alias]");
        }

        foreach (var method in grainInterface.GetMethods(BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.DeclaredOnly))
        {
            MethodBreaches(method, seen, breaches);
        }

        return breaches;
    }

    /// <summary>Every breach of the rules by one message and what it holds.</summary>
    public static IEnumerable<string> BreachesOfMessage(Type message)
    {
        var breaches = new List<string>();
        Visit(message, message.Name, [], breaches);
        return breaches;
    }

    private static void MethodBreaches(MethodInfo method, HashSet<Type> seen, List<string> breaches)
    {
        var where = $"{method.DeclaringType!.Name}.{method.Name}";
        if (!method.IsDefined(typeof(AliasAttribute)))
        {
            breaches.Add($"{where}: a grain method needs [Alias]");
        }

        if (method.IsGenericMethodDefinition)
        {
            breaches.Add($"{where}: a grain method is not generic");
            return;
        }

        var isTask = method.ReturnType == typeof(Task);
        if (!isTask && !(method.ReturnType.IsGenericType && method.ReturnType.GetGenericTypeDefinition() == typeof(Task<>)))
        {
            breaches.Add($"{where}: a grain method returns Task or Task<T>");
            return;
        }

        if (!isTask)
        {
            Visit(method.ReturnType.GetGenericArguments()[0], $"the result of {where}", seen, breaches);
            if (method.IsDefined(typeof(Concurrency.OneWayAttribute)))
            {
                breaches.Add($"{where}: a one-way method returns Task");
            }
        }

        var parameters = method.GetParameters();
        for (var i = 0; i < parameters.Length; i++)
        {
            var type = parameters[i].ParameterType;
            if (type == typeof(CancellationToken))
            {
                if (i != parameters.Length - 1)
                {
                    breaches.Add($"{where}: the cancellation token comes last");
                }
            }
            else if (type.IsByRef)
            {
                breaches.Add($"{where}: {parameters[i].Name} is passed by reference");
            }
            else
            {
                Visit(type, $"{parameters[i].Name} of {where}", seen, breaches);
            }
        }
    }

    private static void Visit(Type type, string where, HashSet<Type> seen, List<string> breaches)
    {
        type = Nullable.GetUnderlyingType(type) ?? type;
        if (Primitives.Contains(type) || type.IsEnum || !seen.Add(type))
        {
            return;
        }

        if (type.IsArray)
        {
            Visit(type.GetElementType()!, where, seen, breaches);
        }
        else if (type.IsGenericType && type.GetGenericTypeDefinition() == typeof(Dictionary<,>))
        {
            if (type.GetGenericArguments()[0] != typeof(string))
            {
                breaches.Add($"{where}: keys of a dictionary are strings");
            }

            Visit(type.GetGenericArguments()[1], where, seen, breaches);
        }
        else if (Banned.Contains(type) || type.IsInterface || type.IsPointer || typeof(Delegate).IsAssignableFrom(type) || type.Namespace?.StartsWith("System", StringComparison.Ordinal) == true)
        {
            breaches.Add($"{where}: {type} can't travel; see the contract rules");
        }
        else
        {
            VisitMessage(type, breaches);
            foreach (var (member, name) in MembersOf(type))
            {
                Visit(member, $"{type.Name}.{name}", seen, breaches);
            }

            foreach (var derived in type.GetCustomAttributes<JsonDerivedTypeAttribute>(false))
            {
                Visit(derived.DerivedType, $"{derived.DerivedType.Name} (case of {type.Name})", seen, breaches);
            }
        }
    }

    private static IEnumerable<(Type Type, string Name)> MembersOf(Type type) => type.IsDefined(typeof(JsonConverterAttribute), false)
        ? []
        : type.GetProperties(BindingFlags.Public | BindingFlags.Instance).Where(MessageMembers.IsStored).Select(p => (p.PropertyType, p.Name));

    private static void VisitMessage(Type type, List<string> breaches)
    {
        var name = type.Name;
        if (!type.IsDefined(typeof(GenerateSerializerAttribute), false))
        {
            breaches.Add($"{name}: a message needs [GenerateSerializer]");
        }

        if (!type.IsDefined(typeof(AliasAttribute), false))
        {
            breaches.Add($"{name}: a message needs [Alias]");
        }

        if (!type.IsDefined(typeof(ImmutableAttribute), false))
        {
            breaches.Add($"{name}: a message needs [Immutable]");
        }

        // The converter of a name struct reads and validates it; what follows is about the members that System.Text.Json would set itself.
        if (type.IsDefined(typeof(JsonConverterAttribute), false))
        {
            return;
        }

        if (type.IsValueType && !type.GetConstructors().Any(c => c.GetParameters().Length > 0) && type.GetConstructors(BindingFlags.Instance | BindingFlags.NonPublic).Length > 0)
        {
            breaches.Add($"{name}: a struct with a private constructor and no converter would be read as its default");
        }

        if (type.IsAbstract && !type.IsDefined(typeof(JsonPolymorphicAttribute), false))
        {
            breaches.Add($"{name}: an abstract message needs [JsonPolymorphic] and its [JsonDerivedType]s");
        }
        else if (type is { IsAbstract: false, IsSealed: false })
        {
            breaches.Add($"{name}: a message is sealed");
        }

        foreach (var derived in type.GetCustomAttributes<JsonDerivedTypeAttribute>(false))
        {
            var alias = derived.DerivedType.GetCustomAttributes<AliasAttribute>(false).FirstOrDefault()?.Alias;
            if (derived.TypeDiscriminator as string != alias)
            {
                breaches.Add($"{name}: the discriminator of {derived.DerivedType.Name} is its alias, {alias}");
            }
        }

        MemberBreaches(type, breaches);
    }

    private static void MemberBreaches(Type type, List<string> breaches)
    {
        var ids = new HashSet<uint>();
        var primary = IsRecord(type)
            ? type.GetConstructors().OrderByDescending(c => c.GetParameters().Length).FirstOrDefault()?.GetParameters().Select(p => p.Name).ToHashSet() ?? []
            : [];
        foreach (var property in type.GetProperties(BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.DeclaredOnly)
            .Where(p => MessageMembers.IsStored(p) && p.Name != "EqualityContract"))
        {
            if (property.GetCustomAttribute<IdAttribute>() is { } id)
            {
                if (!ids.Add(id.Id))
                {
                    breaches.Add($"{type.Name}.{property.Name}: [Id({id.Id})] stands twice");
                }
            }
            else if (!primary.Contains(property.Name))
            {
                // Orleans writes the parameters of a record's constructor and what has an [Id], and drops the rest without a word.
                breaches.Add($"{type.Name}.{property.Name}: a member needs [Id]");
            }
        }
    }

    private static bool IsRecord(Type type) =>
        type.GetMethod("<Clone>$") is not null
        || (type.IsValueType && type.GetMethod("PrintMembers", BindingFlags.Instance | BindingFlags.NonPublic)?.IsDefined(typeof(CompilerGeneratedAttribute)) == true);
}
