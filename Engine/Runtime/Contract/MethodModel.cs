using System.Linq.Expressions;
using System.Reflection;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Orleans.Concurrency;
using Orleans.Gateway;

namespace Orleans.Contract;

/// <summary>The result of a call that has none.</summary>
internal readonly struct Nothing;

/// <summary>One method of a grain interface: its attributes, and compiled ways to call it and to move its arguments. Made once, immutable but for lazy caches.</summary>
internal abstract class MethodModel
{
    private readonly Lazy<Func<object, object?[], CancellationToken, Task>> _invoker;
    private readonly Lazy<JsonTypeInfo[]> _parameters;

    protected MethodModel(InterfaceModel owner, MethodInfo method, int index)
    {
        Interface = owner;
        Method = method;
        Index = index;
        Alias = method.GetCustomAttribute<AliasAttribute>()?.Alias ?? method.Name;
        var parameters = method.GetParameters().Select(p => p.ParameterType).ToArray();
        TakesCancellation = parameters.Length > 0 && parameters[^1] == typeof(CancellationToken);
        ParameterTypes = TakesCancellation ? parameters[..^1] : parameters;
        IsAlwaysInterleave = method.IsDefined(typeof(AlwaysInterleaveAttribute));
        IsOneWay = method.IsDefined(typeof(OneWayAttribute));
        ResponseTimeout = method.GetCustomAttribute<ResponseTimeoutAttribute>()?.Timeout;
        _invoker = new(Compile);
        _parameters = new(() => Array.ConvertAll(ParameterTypes, EngineJson.Options.GetTypeInfo));
    }

    public InterfaceModel Interface { get; }

    public MethodInfo Method { get; }

    /// <summary>The place in <see cref="InterfaceModel.Methods"/>, by which the proxy names it.</summary>
    public int Index { get; }

    public string Alias { get; }

    /// <summary>Without the trailing cancellation token.</summary>
    public Type[] ParameterTypes { get; }

    public bool TakesCancellation { get; }

    public bool IsAlwaysInterleave { get; }

    public bool IsOneWay { get; }

    public TimeSpan? ResponseTimeout { get; }

    public abstract Type ResultType { get; }

    /// <summary>What both ends must agree on; compared when a client connects.</summary>
    public string Signature =>
        $"{Alias}({string.Join(',', ParameterTypes.Select(TypeNames.Of))}{(TakesCancellation ? ",cancel" : "")}):{TypeNames.Of(ResultType)}{(IsOneWay ? "!" : "")}";

    public static MethodModel Create(InterfaceModel owner, MethodInfo method, int index)
    {
        var result = method.ReturnType.IsGenericType && method.ReturnType.GetGenericTypeDefinition() == typeof(Task<>)
            ? method.ReturnType.GetGenericArguments()[0]
            : typeof(Nothing);
        return (MethodModel)Activator.CreateInstance(typeof(MethodModel<>).MakeGenericType(result), owner, method, index)!;
    }

    public Task Invoke(object grain, object?[] arguments, CancellationToken cancellation) => _invoker.Value(grain, arguments, cancellation);

    public void WriteArguments(Utf8JsonWriter writer, object?[] arguments)
    {
        var infos = _parameters.Value;
        writer.WriteStartArray();
        for (var i = 0; i < infos.Length; i++)
        {
            JsonSerializer.Serialize(writer, arguments[i], infos[i]);
        }

        writer.WriteEndArray();
    }

    /// <summary>Reads the array at which the reader stands.</summary>
    public object?[] ReadArguments(ref Utf8JsonReader reader)
    {
        var infos = _parameters.Value;
        if (reader.TokenType != JsonTokenType.StartArray)
        {
            throw new JsonException("the arguments are no array");
        }

        var arguments = infos.Length == 0 ? [] : new object?[infos.Length];
        for (var i = 0; i < infos.Length; i++)
        {
            if (!reader.Read() || reader.TokenType == JsonTokenType.EndArray)
            {
                throw new JsonException($"{Interface.Alias}.{Alias} takes {infos.Length} arguments, got {i}");
            }

            arguments[i] = JsonSerializer.Deserialize(ref reader, infos[i]);
            if (arguments[i] is null && ParameterTypes[i].IsValueType && Nullable.GetUnderlyingType(ParameterTypes[i]) is null)
            {
                throw new JsonException($"argument {i} of {Interface.Alias}.{Alias} is null");
            }
        }

        return reader.Read() && reader.TokenType == JsonTokenType.EndArray
            ? arguments
            : throw new JsonException($"{Interface.Alias}.{Alias} takes {infos.Length} arguments, got more");
    }

    /// <summary>The arguments as the other end of a wire would see them.</summary>
    public object?[] CopyArguments(object?[] arguments)
    {
        using var buffer = new FrameBuffer();
        using (var writer = new Utf8JsonWriter(buffer))
        {
            WriteArguments(writer, arguments);
        }

        var reader = new Utf8JsonReader(buffer.Written);
        reader.Read();
        return ReadArguments(ref reader);
    }

    /// <summary>Writes the result of a task of this method that has run to completion.</summary>
    public abstract void WriteResult(Utf8JsonWriter writer, Task task);

    public override string ToString() => $"{Interface.Alias}.{Alias}";

    private Func<object, object?[], CancellationToken, Task> Compile()
    {
        var grain = Expression.Parameter(typeof(object));
        var arguments = Expression.Parameter(typeof(object?[]));
        var cancellation = Expression.Parameter(typeof(CancellationToken));
        IEnumerable<Expression> values = ParameterTypes.Select((t, i) => (Expression)Expression.Convert(Expression.ArrayIndex(arguments, Expression.Constant(i)), t));
        if (TakesCancellation)
        {
            values = values.Append(cancellation);
        }

        var call = Expression.Call(Expression.Convert(grain, Method.DeclaringType!), Method, values);
        return Expression.Lambda<Func<object, object?[], CancellationToken, Task>>(Expression.Convert(call, typeof(Task)), grain, arguments, cancellation).Compile();
    }
}

/// <summary>A method with its result's type.</summary>
internal sealed class MethodModel<T>(InterfaceModel owner, MethodInfo method, int index) : MethodModel(owner, method, index)
{
    private readonly Lazy<JsonTypeInfo<T>> _result = new(() => (JsonTypeInfo<T>)EngineJson.Options.GetTypeInfo(typeof(T)));

    public override Type ResultType => typeof(T);

    public static T ResultOf(Task completed) => completed is Task<T> typed ? typed.GetAwaiter().GetResult() : default!;

    public override void WriteResult(Utf8JsonWriter writer, Task task)
    {
        if (typeof(T) == typeof(Nothing))
        {
            writer.WriteNullValue();
        }
        else
        {
            JsonSerializer.Serialize(writer, ResultOf(task), _result.Value);
        }
    }

    public T ReadResult(ref Utf8JsonReader reader)
    {
        if (typeof(T) == typeof(Nothing))
        {
            reader.Skip();
            return default!;
        }

        return JsonSerializer.Deserialize(ref reader, _result.Value)!;
    }

    /// <summary>The result as the other end of a wire would see it.</summary>
    public T CopyResult(Task task)
    {
        using var buffer = new FrameBuffer();
        using (var writer = new Utf8JsonWriter(buffer))
        {
            WriteResult(writer, task);
        }

        var reader = new Utf8JsonReader(buffer.Written);
        reader.Read();
        return ReadResult(ref reader);
    }
}

/// <summary>Names of types that don't change with assemblies and versions.</summary>
internal static class TypeNames
{
    public static string Of(Type type)
    {
        if (type == typeof(Nothing))
        {
            return "void";
        }

        if (type.IsArray)
        {
            return Of(type.GetElementType()!) + "[]";
        }

        if (type.GetCustomAttributes<AliasAttribute>(false).FirstOrDefault() is { } alias)
        {
            return alias.Alias;
        }

        return type.IsGenericType
            ? $"{type.Name[..type.Name.IndexOf('`', StringComparison.Ordinal)]}<{string.Join(',', type.GetGenericArguments().Select(Of))}>"
            : type.FullName ?? type.Name;
    }
}
