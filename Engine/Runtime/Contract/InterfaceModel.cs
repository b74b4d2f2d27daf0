using System.Collections.Concurrent;
using System.Collections.Frozen;
using System.Reflection;
using Orleans.Calls;
using Orleans.Runtime;

namespace Orleans.Contract;

/// <summary>A grain interface: its alias, its methods, and how to make a reference. Made once per type.</summary>
internal sealed class InterfaceModel
{
    private static readonly ConcurrentDictionary<Type, InterfaceModel> Models = new();

    private readonly FrozenDictionary<string, MethodModel> _byAlias;
    private readonly Lazy<Func<ICallTransport, InterfaceModel, string, GrainReference>> _proxy;

    private InterfaceModel(Type type)
    {
        if (!type.IsInterface || !typeof(IGrainWithStringKey).IsAssignableFrom(type))
        {
            throw new ArgumentException($"{type} is no interface of a grain with a string key", nameof(type));
        }

        Type = type;
        Alias = type.GetCustomAttribute<AliasAttribute>()?.Alias ?? type.FullName!;
        Methods = MethodsOf(type).Select((m, i) => MethodModel.Create(this, m, i)).ToArray();
        var twice = Methods.GroupBy(m => m.Alias).FirstOrDefault(g => g.Count() > 1);
        if (twice is not null)
        {
            throw new OrleansConfigurationException($"{type} has two methods with the alias {twice.Key}");
        }

        _byAlias = Methods.ToFrozenDictionary(m => m.Alias);
        _proxy = new(() => ProxyFactory.Create(this));
    }

    public Type Type { get; }

    public string Alias { get; }

    public MethodModel[] Methods { get; }

    public static InterfaceModel Of(Type type) => Models.GetOrAdd(type, static t => new InterfaceModel(t));

    /// <summary>The methods of a grain interface and of those it inherits.</summary>
    public static IEnumerable<MethodInfo> MethodsOf(Type type) => type.GetInterfaces()
        .Where(i => typeof(IGrain).IsAssignableFrom(i))
        .Prepend(type)
        .SelectMany(i => i.GetMethods(BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.DeclaredOnly))
        .Where(m => m.IsAbstract);

    public MethodModel? Find(string alias) => _byAlias.GetValueOrDefault(alias);

    public GrainReference CreateReference(ICallTransport transport, string key) => _proxy.Value(transport, this, key);
}
