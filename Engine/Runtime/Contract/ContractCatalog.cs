using System.Collections.Concurrent;
using System.Reflection;
using Orleans.Runtime;

namespace Orleans.Contract;

/// <summary>
/// What grain interfaces and classes the process knows: those of the loaded assemblies that use the model, and of the assemblies they reference. Built at the
/// start of each silo and client; what was seen is not looked at again.
/// </summary>
internal sealed class ContractCatalog
{
    private static readonly string ModelName = typeof(IGrain).Assembly.GetName().Name!;

    private readonly Lock _gate = new();
    private readonly HashSet<Assembly> _seen = [];
    private readonly List<string> _breaches = [];
    private readonly ConcurrentDictionary<string, InterfaceModel> _interfaces = new();
    private readonly ConcurrentDictionary<Type, GrainClass> _implementations = new();
    private readonly ConcurrentDictionary<Type, string> _ambiguous = new();

    private ContractCatalog()
    {
    }

    /// <summary>Types don't differ between two silos of a process, so they share it.</summary>
    public static ContractCatalog Shared { get; } = new();

    public IEnumerable<InterfaceModel> Interfaces => _interfaces.Values;

    public MethodModel? Find(string interfaceAlias, string methodAlias) => _interfaces.GetValueOrDefault(interfaceAlias)?.Find(methodAlias);

    public InterfaceModel? Find(string interfaceAlias) => _interfaces.GetValueOrDefault(interfaceAlias);

    public GrainClass ImplementationOf(InterfaceModel model) =>
        _ambiguous.TryGetValue(model.Type, out var names) ? throw new OrleansConfigurationException($"{model.Type} is implemented by {names}; exactly one class may")
        : _implementations.TryGetValue(model.Type, out var found) ? found
        : throw new OrleansMessageRejectionException($"no grain class of this silo implements {model.Alias}");

    /// <summary>Looks at assemblies loaded since the last time.</summary>
    /// <exception cref="OrleansConfigurationException">A grain interface breaks the contract rules; the text names every breach.</exception>
    public void Refresh()
    {
        lock (_gate)
        {
            foreach (var assembly in Reachable().Where(_seen.Add))
            {
                foreach (var type in TypesOf(assembly))
                {
                    if (type is { IsInterface: true, IsGenericTypeDefinition: false } && type != typeof(IGrainWithStringKey) && typeof(IGrainWithStringKey).IsAssignableFrom(type))
                    {
                        _breaches.AddRange(ContractRules.BreachesOf(type));
                        AddInterface(type);
                    }
                    else if (type is { IsClass: true, IsAbstract: false, IsGenericTypeDefinition: false } && typeof(Grain).IsAssignableFrom(type))
                    {
                        AddClass(type);
                    }
                }
            }

            if (_breaches.Count > 0)
            {
                throw new OrleansConfigurationException("the contract breaks the rules of Engine/README.md:\n" + string.Join('\n', _breaches.Distinct()));
            }
        }
    }

    private static Type[] TypesOf(Assembly assembly)
    {
        try
        {
            return assembly.GetTypes();
        }
        catch (ReflectionTypeLoadException e)
        {
            // A type whose optional dependency is missing can't be a grain of ours; the others can.
            return e.Types.OfType<Type>().ToArray();
        }
    }

    private static HashSet<Assembly> Reachable()
    {
        var found = new HashSet<Assembly>();
        var next = new Stack<Assembly>(AppDomain.CurrentDomain.GetAssemblies().Where(a => !a.IsDynamic && UsesModel(a)));
        if (Assembly.GetEntryAssembly() is { } entry)
        {
            next.Push(entry);
        }

        while (next.TryPop(out var assembly))
        {
            if (!found.Add(assembly))
            {
                continue;
            }

            foreach (var name in assembly.GetReferencedAssemblies().Where(n => !IsFramework(n.Name!)))
            {
                try
                {
                    var reference = Assembly.Load(name);
                    if (UsesModel(reference))
                    {
                        next.Push(reference);
                    }
                }
                catch (Exception e) when (e is FileNotFoundException or FileLoadException or BadImageFormatException)
                {
                    // Compiled against, but not deployed: nothing of it can be a grain here.
                    continue;
                }
            }
        }

        found.RemoveWhere(a => !UsesModel(a));
        return found;
    }

    private static bool UsesModel(Assembly assembly) => assembly.GetReferencedAssemblies().Any(n => n.Name == ModelName);

    private static bool IsFramework(string name) =>
        name.StartsWith("System", StringComparison.Ordinal) || name.StartsWith("Microsoft.", StringComparison.Ordinal) || name is "netstandard" or "mscorlib";

    private void AddInterface(Type type)
    {
        var model = InterfaceModel.Of(type);
        if (_interfaces.GetOrAdd(model.Alias, model) != model)
        {
            throw new OrleansConfigurationException($"{type} and {_interfaces[model.Alias].Type} have the same alias {model.Alias}");
        }
    }

    private void AddClass(Type type)
    {
        var grainClass = new GrainClass(type);
        foreach (var i in type.GetInterfaces().Where(i => i != typeof(IGrainWithStringKey) && typeof(IGrainWithStringKey).IsAssignableFrom(i)))
        {
            if (!_implementations.TryAdd(i, grainClass))
            {
                _ambiguous[i] = $"{_implementations[i].Type} and {type}";
            }
        }
    }
}
