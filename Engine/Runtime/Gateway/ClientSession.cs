using System.Collections.Concurrent;
using System.Net.WebSockets;
using System.Text.Json;
using Orleans.Calls;
using Orleans.Contract;
using Orleans.Runtime;

namespace Orleans.Gateway;

/// <summary>A call of a client, with what the wire needs to know.</summary>
internal abstract class ClientCall(long id)
{
    /// <summary>The number of the call on the wire; 0: one way.</summary>
    public long Id { get; } = id;

    public abstract PendingCall Untyped { get; }

    /// <summary>Ends when the call does.</summary>
    public abstract Task Ended { get; }

    /// <summary>The connection that carries it, once there is one.</summary>
    public ClientSession? Session { get; set; }

    /// <summary>Keeps the sending alive as long as the call.</summary>
    public Task? Sending { get; set; }

    /// <summary>Ends the call with the result at which the reader stands.</summary>
    public abstract void Complete(ref Utf8JsonReader reader);

    public abstract void CompleteOneWay();
}

internal sealed class ClientCall<T> : ClientCall
{
    public ClientCall(PendingCall<T> pending, long id)
        : base(id)
    {
        Pending = pending;
        pending.Tag = this;
    }

    public PendingCall<T> Pending { get; }

    public Task<T> Task => Pending.Task;

    public override PendingCall Untyped => Pending;

    public override Task Ended => Pending.Task;

    public FrameBuffer Write(object?[] arguments)
    {
        var frame = Wire.Frame("c", (Call: this, arguments), static (writer, s) =>
        {
            var call = s.Call.Pending;
            writer.WriteNumberValue(s.Call.Id);
            writer.WriteStringValue(call.Method.Interface.Alias);
            writer.WriteStringValue(call.Method.Alias);
            writer.WriteStringValue(call.Key);
            writer.WriteNumberValue((long)call.Timeout.TotalMilliseconds);
            call.Method.WriteArguments(writer, s.arguments);
        });
        if (frame.Length > Wire.MaxFrame)
        {
            frame.Dispose();
            throw new FrameTooLargeException();
        }

        return frame;
    }

    public override void Complete(ref Utf8JsonReader reader)
    {
        try
        {
            Pending.Complete(Pending.Method.ReadResult(ref reader));
        }
        catch (Exception e) when (ExceptionWire.IsBadMessage(e))
        {
            Pending.Fail(new OrleansMessageRejectionException($"the result of {Pending.Method} can't be read: {e.Message}", e));
        }
    }

    public override void CompleteOneWay() => Pending.Complete(default!);
}

/// <summary>A connection to a gateway, seen from the client: the calls under way on it, and the frames that end them.</summary>
internal sealed class ClientSession(WireConnection wire)
{
    private readonly ConcurrentDictionary<long, ClientCall> _calls = new();

    private readonly TaskCompletionSource _gone = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Completes when the client has turned to its next connection.</summary>
    public Task Gone => _gone.Task;

    public Task<WireException> RunAsync() => wire.RunAsync(OnFrame);

    public void End(string reason) => wire.End(new WireException(reason, WebSocketCloseStatus.NormalClosure, "closed"));

    public ValueTask SendAsync(FrameBuffer frame) => wire.SendAsync(frame);

    /// <summary>Takes a call; false: the connection has ended, the next one must take it.</summary>
    public bool TryAdd(ClientCall call)
    {
        if (wire.HasEnded)
        {
            return false;
        }

        call.Session = this;
        if (call.Id != 0)
        {
            _calls[call.Id] = call;
            if (call.Untyped.IsDone)
            {
                _calls.TryRemove(call.Id, out _);
            }
            else if (wire.HasEnded && _calls.TryRemove(call.Id, out _))
            {
                // Not sent yet, and not failed by FailAll: as good as new.
                return false;
            }
        }

        return true;
    }

    /// <summary>Nobody waits for the call any more.</summary>
    public void Forget(long id, bool tell)
    {
        if (_calls.TryRemove(id, out var call) && tell)
        {
            var sending = wire.SendAsync(Wire.Frame("x", id, static (writer, s) => writer.WriteNumberValue(s)));
            call.Sending = sending.IsCompletedSuccessfully ? null : sending.AsTask();
        }
    }

    /// <summary>Ends every call under way. The client has turned to its next connection by now.</summary>
    public void FailAll(string reason)
    {
        _gone.TrySetResult();
        foreach (var (id, call) in _calls)
        {
            if (_calls.TryRemove(id, out _))
            {
                call.Untyped.Fail(new SiloUnavailableException("the connection to the silo ended: " + reason));
            }
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
                case "r":
                    if (_calls.TryRemove(Wire.Number(ref reader, "id"), out var call))
                    {
                        reader.Read();
                        call.Complete(ref reader);
                    }

                    break;
                case "e":
                    if (_calls.TryRemove(Wire.Number(ref reader, "id"), out var failed))
                    {
                        failed.Untyped.Fail(ExceptionWire.Decode(
                            Wire.String(ref reader, "kind"), Wire.String(ref reader, "message"), Wire.String(ref reader, "type")));
                    }

                    break;
                case "p":
                    break;
                case var kind:
                    throw new WireException($"unknown frame {(kind.Length <= 16 ? kind : kind[..16])}", kind: "unknown");
            }
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new WireException("malformed frame: " + e.Message);
        }
    }
}
