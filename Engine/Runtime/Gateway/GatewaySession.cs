using System.Collections.Concurrent;
using System.Text.Json;
using Orleans.Activations;
using Orleans.Configuration;
using Orleans.Contract;
using Orleans.Runtime;

namespace Orleans.Gateway;

/// <summary>
/// A client's connection, seen from the silo. Frames in: <c>["c", id, interface, method, key, timeout in ms, [argument, …]]</c> (id 0: one way),
/// <c>["x", id]</c> (cancelled), <c>["p"]</c>. Frames out: <c>["r", id, result]</c>, <c>["e", id, kind, message, type]</c>, <c>["p"]</c>.
/// </summary>
internal sealed class GatewaySession(SiloRuntime silo, WireConnection wire, EmbeddedEngineOptions options, EngineMetrics metrics)
{
    private readonly ConcurrentDictionary<long, RemoteInvocation> _calls = new();

    public TimeProvider Time => silo.Time;

    public void End(WireException reason) => wire.End(reason);

    public async Task<WireException> RunAsync()
    {
        var reason = await wire.RunAsync(OnFrame);
        foreach (var call in _calls.Values)
        {
            // Nobody waits for the answers; what has not begun never will.
            call.Abandon();
        }

        return reason;
    }

    public void Answer(long id, FrameBuffer frame)
    {
        _calls.TryRemove(id, out _);
        Send(frame);
    }

    public void AnswerError(long id, Exception e) => Answer(id, Wire.Frame("e", (id, error: ExceptionWire.Encode(e)), static (writer, s) =>
    {
        writer.WriteNumberValue(s.id);
        writer.WriteStringValue(s.error.Kind);
        writer.WriteStringValue(s.error.Message);
        writer.WriteStringValue(s.error.Type);
    }));

    public void Forget(long id) => _calls.TryRemove(id, out _);

    private void Send(FrameBuffer frame)
    {
        var sending = wire.SendAsync(frame);
        if (!sending.IsCompletedSuccessfully)
        {
            // The queue is full: the answer waits for its place without holding up the grain. The number of calls bounds how many do.
            silo.Own(sending.AsTask());
        }
    }

    private void OnFrame(ReadOnlySpan<byte> frame)
    {
        var reader = new Utf8JsonReader(frame, new JsonReaderOptions { MaxDepth = 68 });
        try
        {
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartArray)
            {
                throw new WireException("malformed frame: no array");
            }

            switch (Wire.String(ref reader, "kind"))
            {
                case "c":
                    OnCall(ref reader, frame);
                    break;
                case "x":
                    if (_calls.TryGetValue(Wire.Number(ref reader, "id"), out var call))
                    {
                        call.Cancel();
                    }

                    break;
                case "p":
                    break;
                case var kind:
                    throw new WireException($"unknown frame {(kind.Length <= 16 ? kind : kind[..16])}", kind: "unknown");
            }
        }
        catch (JsonException e)
        {
            throw new WireException("malformed frame: " + e.Message);
        }
        catch (InvalidOperationException e)
        {
            // A string with an invalid escape or invalid UTF-8.
            throw new WireException("malformed frame: " + e.Message);
        }
    }

    private void OnCall(ref Utf8JsonReader reader, ReadOnlySpan<byte> frame)
    {
        var id = Wire.Number(ref reader, "id");
        var interfaceAlias = Wire.String(ref reader, "interface");
        var methodAlias = Wire.String(ref reader, "method");
        var key = Wire.String(ref reader, "key");
        var timeout = TimeSpan.FromMilliseconds(Math.Min(Wire.Number(ref reader, "timeout"), int.MaxValue));
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartArray)
        {
            throw new WireException("malformed frame: no arguments");
        }

        metrics.Called();
        if (ContractCatalog.Shared.Find(interfaceAlias, methodAlias) is not { } method)
        {
            Refuse(id, "unknown", new OrleansMessageRejectionException($"this silo has no method {Short(interfaceAlias)}.{Short(methodAlias)}"));
            return;
        }

        if (string.IsNullOrWhiteSpace(key))
        {
            Refuse(id, "key", new OrleansMessageRejectionException("a grain's key is not blank"));
            return;
        }

        if (_calls.Count >= options.MaxCallsPerConnection)
        {
            Refuse(id, "busy", new GatewayTooBusyException($"{options.MaxCallsPerConnection} calls of this client are under way"));
            return;
        }

        object?[] arguments;
        try
        {
            arguments = method.ReadArguments(ref reader);
            if (!reader.Read() || reader.TokenType != JsonTokenType.EndArray)
            {
                throw new WireException("malformed frame: something follows the arguments");
            }
        }
        catch (Exception e) when (ExceptionWire.IsBadMessage(e) && IsWellFormed(frame))
        {
            Refuse(id, "arguments", new OrleansMessageRejectionException($"the arguments of {method} can't be read: {e.Message}"));
            return;
        }

        var call = new RemoteInvocation(this, id, method, key, arguments, timeout);
        if (id != 0 && !_calls.TryAdd(id, call))
        {
            throw new WireException("malformed frame: the id is in use");
        }

        silo.Dispatch(call);
    }

    /// <summary>Broken JSON is the sender's fault as a whole and ends the connection; a message that its type refuses is that of one call.</summary>
    private static bool IsWellFormed(ReadOnlySpan<byte> frame)
    {
        var reader = new Utf8JsonReader(frame);
        try
        {
            while (reader.Read())
            {
                reader.Skip();
            }

            return true;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    private static string Short(string text) => text.Length <= 100 ? text : text[..100] + "…";

    private void Refuse(long id, string reason, Exception e)
    {
        metrics.RejectedCall(reason);
        if (id != 0)
        {
            AnswerError(id, e);
        }
    }
}

/// <summary>A call from the wire.</summary>
internal sealed class RemoteInvocation(GatewaySession session, long id, MethodModel method, string key, object?[] arguments, TimeSpan timeout)
    : CallInvocation(method, key, arguments)
{
    private readonly long _received = session.Time.GetTimestamp();
    private volatile bool _abandoned;

    /// <summary>The caller has given up by now: running the call would only delay those that are still waited for.</summary>
    public override bool IsAbandoned
    {
        get
        {
            if (!_abandoned && (Method.IsOneWay || session.Time.GetElapsedTime(_received) < timeout))
            {
                return false;
            }

            session.Forget(id);
            return true;
        }
    }

    public void Abandon() => _abandoned = true;

    public override void Complete(Task task)
    {
        if (id == 0)
        {
            return;
        }

        if (!task.IsCompletedSuccessfully)
        {
            Reject(FailureOf(task));
            return;
        }

        FrameBuffer frame;
        try
        {
            frame = Wire.Frame("r", (id, Method, task), static (writer, s) =>
            {
                writer.WriteNumberValue(s.id);
                s.Method.WriteResult(writer, s.task);
            });
            if (frame.Length > Wire.MaxFrame)
            {
                frame.Dispose();
                throw new FrameTooLargeException();
            }
        }
        catch (Exception e) when (e is FrameTooLargeException || ExceptionWire.IsBadMessage(e))
        {
            Reject(new OrleansMessageRejectionException($"the result of {Method} can't travel: {e.Message}"));
            return;
        }

        session.Answer(id, frame);
    }

    public override void Reject(Exception e)
    {
        if (id != 0)
        {
            session.AnswerError(id, e);
        }
    }
}
