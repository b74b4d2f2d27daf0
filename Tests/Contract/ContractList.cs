using System.Globalization;
using System.Reflection;
using System.Runtime.CompilerServices;
using Orleans;
using Orleans.Concurrency;
using Plane.Testing;

namespace Plane.Tests.Contract;

/// <summary>
/// What was ever said between controllers, drones, proxies and DNS servers, in <c>contract.txt</c>: in a rolling upgrade the old and the new version talk to each
/// other. The list only grows. <c>PLANE_EXTEND_CONTRACT=1</c> makes this test write what is new into it; a line that has to go is an incompatible change.
/// </summary>
public sealed class ContractList
{
    private const BindingFlags Declared = BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly;

    private static readonly string s_file = Checkout.File("Tests/Contract/contract.txt");

    [Fact]
    public void The_contract_has_everything_that_it_ever_had()
    {
        var current = Current();
        var recorded = File.ReadAllLines(s_file).Where(l => l.Length > 0 && l[0] != '#').ToArray();
        var gone = Gone(recorded, current);
        Assert.True(gone.Length == 0, $"Other versions still say this, and this one no longer understands it:\n{string.Join('\n', gone)}");
        var demanded = Demanded(recorded, current);
        Assert.True(demanded.Length == 0, $"Other versions don't send these members of messages that they know; give them a default:\n{string.Join('\n', demanded)}");

        if (Environment.GetEnvironmentVariable("PLANE_EXTEND_CONTRACT") == "1")
        {
            File.WriteAllLines(s_file, [.. File.ReadAllLines(s_file).TakeWhile(l => l.StartsWith('#')), .. current]);
            return;
        }

        var lacking = current.Except(recorded).ToArray();
        Assert.True(lacking.Length == 0, $"Not in Tests/Contract/contract.txt yet; PLANE_EXTEND_CONTRACT=1 ./plane test ContractList adds it:\n{string.Join('\n', lacking)}");
    }

    [Fact]
    public void A_changed_or_missing_line_is_incompatible()
    {
        string[] recorded = ["plane.M", "plane.M 0 Name: string", "plane.IG", "plane.IG.Do(plane.M): plane.M"];
        Assert.Empty(Gone(recorded, [.. recorded, "plane.M 1 More: string?"]));
        Assert.Equal(["plane.M 0 Name: string"], Gone(recorded, ["plane.M", "plane.M 0 Name: long", "plane.IG", "plane.IG.Do(plane.M): plane.M"]));
        Assert.Equal(["plane.IG.Do(plane.M): plane.M"], Gone(recorded, ["plane.M", "plane.M 0 Name: string", "plane.IG", "plane.IG.Do(): plane.M"]));
    }

    [Fact]
    public void A_new_member_that_an_old_message_must_have_is_incompatible()
    {
        string[] recorded = ["plane.M", "plane.M 0 Name: string required"];
        Assert.Equal(["plane.M 1 More: string required"], Demanded(recorded, [.. recorded, "plane.M 1 More: string required"]));
        Assert.Empty(Demanded(recorded, [.. recorded, "plane.M 1 More: string", "plane.New", "plane.New 0 Name: string required"]));
    }

    private static string[] Gone(string[] recorded, string[] current) => [.. recorded.Except(current)];

    private static string[] Demanded(string[] recorded, string[] current) =>
        [.. current.Except(recorded).Where(l => l.EndsWith(" required", StringComparison.Ordinal) && recorded.Contains(l[..l.IndexOf(' ', StringComparison.Ordinal)]))];

    /// <summary>A line for each message and each grain, one for each of their members, in an order of its own.</summary>
    private static string[] Current()
    {
        var lines = new List<string>();
        foreach (var type in typeof(KeyConfig).Assembly.GetTypes().Where(t => t.Namespace?.StartsWith("Plane", StringComparison.Ordinal) == true))
        {
            if (type.IsInterface && typeof(IGrain).IsAssignableFrom(type))
            {
                lines.Add(NameOf(type));
                lines.AddRange(type.GetMethods().Select(m => MethodLine(type, m)));
            }
            else if (type.GetCustomAttribute<GenerateSerializerAttribute>() is not null)
            {
                lines.Add(NameOf(type));
                lines.AddRange(type.IsEnum ? EnumLines(type) : type.GetFields(Declared).Select(f => MemberLine(type, f)));
            }
        }

        return [.. lines.Order(StringComparer.Ordinal)];
    }

    private static string MethodLine(Type grain, MethodInfo method)
    {
        var arguments = string.Join(", ", method.GetParameters().Select(p => NameOf(p.ParameterType)));
        var result = method.ReturnType.IsGenericType ? NameOf(method.ReturnType.GetGenericArguments()[0]) : "nothing";
        var oneWay = method.IsDefined(typeof(OneWayAttribute)) ? " one way" : "";
        return $"{NameOf(grain)}.{method.GetCustomAttribute<AliasAttribute>()!.Alias}({arguments}): {result}{oneWay}";
    }

    private static IEnumerable<string> EnumLines(Type type) =>
        Enum.GetNames(type).Select(n => string.Create(CultureInfo.InvariantCulture, $"{NameOf(type)} = {Convert.ToInt64(Enum.Parse(type, n), CultureInfo.InvariantCulture)} {n}"));

    // The attribute stands on the property where the compiler made the field for one.
    private static string MemberLine(Type type, FieldInfo field)
    {
        var name = field.Name.StartsWith('<') ? field.Name[1..field.Name.IndexOf('>', StringComparison.Ordinal)] : field.Name;
        MemberInfo member = field.Name.StartsWith('<') ? type.GetProperty(name, Declared)! : field;
        var required = member.IsDefined(typeof(RequiredMemberAttribute)) ? " required" : "";
        return string.Create(CultureInfo.InvariantCulture, $"{NameOf(type)} {member.GetCustomAttribute<IdAttribute>()!.Id} {name}: {NameOf(field.FieldType)}{required}");
    }

    private static string NameOf(Type type) => type switch
    {
        _ when type.IsArray => NameOf(type.GetElementType()!) + "[]",
        _ when Nullable.GetUnderlyingType(type) is { } inner => NameOf(inner) + "?",
        { IsGenericType: true } => $"{type.Name[..type.Name.IndexOf('`', StringComparison.Ordinal)]}<{string.Join(", ", type.GetGenericArguments().Select(NameOf))}>",
        _ => type.GetCustomAttribute<AliasAttribute>()?.Alias ?? type.Name,
    };
}
