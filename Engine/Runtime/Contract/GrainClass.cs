using System.Reflection;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Concurrency;

namespace Orleans.Contract;

/// <summary>A grain class: how to make one, and how its calls interleave.</summary>
internal sealed class GrainClass(Type type)
{
    private readonly Lazy<ObjectFactory> _factory = new(() => ActivatorUtilities.CreateFactory(type, Type.EmptyTypes));

    public Type Type { get; } = type.GetCustomAttribute<StatelessWorkerAttribute>() is { MaxLocalWorkers: not 1 }
        ? throw new NotSupportedException($"{type.Name}: the embedded engine has one activation of a grain; [StatelessWorker(1)] is what it knows")
        : type;

    public bool IsReentrant { get; } = type.IsDefined(typeof(ReentrantAttribute), inherit: true);

    public Grain Create(IServiceProvider services) => (Grain)_factory.Value(services, null);

    public override string ToString() => Type.Name;
}
