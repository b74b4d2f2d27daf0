using System.Reflection;
using Plane.Storage;

namespace Plane.Tests.Silo;

/// <summary>The real store, of which single members can be made to fail or to answer otherwise.</summary>
public class FaultyStore : DispatchProxy
{
    private IPlaneStore _store = null!;
    private Faults _faults = null!;

    /// <summary>What is to happen instead, by the member's name; null: what the store does.</summary>
    public sealed class Faults
    {
        public Func<string, object?[], object?>? Instead { get; set; }

        /// <summary>Every member fails as if the database were away.</summary>
        public void Away() => Instead = (member, _) => member switch
        {
            "get_Outage" => new StoreFault("it does not answer", IsTotal: true),
            _ when member.StartsWith("get_", StringComparison.Ordinal) => null,
            _ => throw new StoreUnavailableException("a statement took too long"),
        };

        public void Heal() => Instead = null;
    }

    public static IPlaneStore Around(IPlaneStore store, Faults faults)
    {
        var proxy = Create<IPlaneStore, FaultyStore>();
        ((FaultyStore)(object)proxy)._store = store;
        ((FaultyStore)(object)proxy)._faults = faults;
        return proxy;
    }

    protected override object? Invoke(MethodInfo? targetMethod, object?[]? args)
    {
        try
        {
            if (targetMethod!.Name is not nameof(IAsyncDisposable.DisposeAsync) && _faults.Instead?.Invoke(targetMethod.Name, args ?? []) is { } instead)
            {
                return instead;
            }

            return targetMethod.Invoke(_store, args);
        }
        catch (TargetInvocationException e) when (e.InnerException is { } inner)
        {
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(inner);
            throw;
        }
        catch (StoreUnavailableException e) when (typeof(Task).IsAssignableFrom(targetMethod!.ReturnType))
        {
            // As a real one fails: by its task.
            return targetMethod.ReturnType == typeof(Task)
                ? Task.FromException(e)
                : typeof(Task).GetMethod(nameof(Task.FromException), 1, [typeof(Exception)])!
                    .MakeGenericMethod(targetMethod.ReturnType.GenericTypeArguments).Invoke(null, [e]);
        }
    }
}
