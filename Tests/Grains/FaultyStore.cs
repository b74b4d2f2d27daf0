using System.Collections.Concurrent;
using System.Reflection;
using System.Runtime.ExceptionServices;
using Plane.Storage;

namespace Plane.Tests.Grains;

/// <summary>A real store with faults: calls can be made to fail as if the database were away, be held until released, and are counted.</summary>
public class FaultyStore : DispatchProxy
{
    private static readonly MethodInfo s_guarded = typeof(FaultyStore).GetMethod(nameof(GuardedAsync), BindingFlags.NonPublic | BindingFlags.Instance)!;

    private readonly ConcurrentDictionary<string, int> _calls = new();
    private IPlaneStore _inner = null!;
    private volatile Func<string, Exception?> _fault = static _ => null;
    private volatile Func<string, Task> _gate = static _ => Task.CompletedTask;

    public static (IPlaneStore Store, FaultyStore Faults) Over(IPlaneStore inner)
    {
        var store = Create<IPlaneStore, FaultyStore>();
        var faults = (FaultyStore)(object)store;
        faults._inner = inner;
        return (store, faults);
    }

    /// <summary>From now on the methods fail that the function names a failure for.</summary>
    public void Fail(Func<string, Exception?> fault) => _fault = fault;

    /// <summary>The database is away for these methods, or for all.</summary>
    public void Away(params string[] methods) =>
        Fail(m => methods.Length == 0 || methods.Contains(m) ? new StoreUnavailableException("away for a test") : null);

    public void Back() => Fail(static _ => null);

    /// <summary>Calls of a method wait for a task before they run.</summary>
    public void Hold(string method, Task until) => _gate = m => m == method ? until : Task.CompletedTask;

    public int Calls(string method) => _calls.GetValueOrDefault(method);

    protected override object? Invoke(MethodInfo? targetMethod, object?[]? args)
    {
        ArgumentNullException.ThrowIfNull(targetMethod);
        _calls.AddOrUpdate(targetMethod.Name, 1, static (_, n) => n + 1);
        var returns = targetMethod.ReturnType;
        if (returns == typeof(Task))
        {
            return GuardedAsync(targetMethod.Name, () => Done((Task)Call(targetMethod, args)!));
        }

        return returns.IsGenericType && returns.GetGenericTypeDefinition() == typeof(Task<>)
            ? s_guarded.MakeGenericMethod(returns.GetGenericArguments()[0]).Invoke(this, [targetMethod.Name, Typed(targetMethod, args)])
            : Call(targetMethod, args);
    }

    private static async Task<bool> Done(Task task)
    {
        await task;
        return true;
    }

    private Delegate Typed(MethodInfo method, object?[]? args)
    {
        var body = System.Linq.Expressions.Expression.Convert(
            System.Linq.Expressions.Expression.Invoke(System.Linq.Expressions.Expression.Constant((Func<object?>)(() => Call(method, args)))), method.ReturnType);
        return System.Linq.Expressions.Expression.Lambda(typeof(Func<>).MakeGenericType(method.ReturnType), body).Compile(preferInterpretation: true);
    }

    private object? Call(MethodInfo method, object?[]? args)
    {
        try
        {
            return method.Invoke(_inner, args);
        }
        catch (TargetInvocationException e) when (e.InnerException is { } inner)
        {
            ExceptionDispatchInfo.Throw(inner);
            throw;
        }
    }

    private async Task<T> GuardedAsync<T>(string method, Func<Task<T>> call)
    {
        await _gate(method);
        return _fault(method) is { } fault ? throw fault : await call();
    }
}
