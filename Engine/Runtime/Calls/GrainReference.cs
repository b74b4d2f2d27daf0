using Orleans.Contract;

namespace Orleans.Calls;

/// <summary>The base of the emitted references. Immutable; as many as one likes for the same grain.</summary>
internal abstract class GrainReference(ICallTransport transport, InterfaceModel model, string key) : IGrainWithStringKey, IEquatable<GrainReference>
{
    public string Key { get; } = key;

    public InterfaceModel Model { get; } = model;

    public Task CallVoid(int method, object?[] arguments, CancellationToken cancellation) =>
        transport.CallAsync((MethodModel<Nothing>)Model.Methods[method], Key, arguments, cancellation);

    public Task<T> CallResult<T>(int method, object?[] arguments, CancellationToken cancellation) =>
        transport.CallAsync((MethodModel<T>)Model.Methods[method], Key, arguments, cancellation);

    public bool Equals(GrainReference? other) => other is not null && Model == other.Model && Key == other.Key;

    public override bool Equals(object? obj) => Equals(obj as GrainReference);

    public override int GetHashCode() => HashCode.Combine(Model, Key);

    public override string ToString() => $"{Model.Alias}/{Key}";
}
