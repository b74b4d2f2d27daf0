using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Serialization;
using Docker.DotNet.Models;

namespace Plane.DroneHost.Runtimes.Docker;

/// <summary>Reads the engine's event stream, which has no end of its own.</summary>
[JsonSerializable(typeof(Message))]
internal sealed partial class EngineEvents : JsonSerializerContext
{
    private const int LongestEvent = 256 * 1024;

    /// <summary>The events.</summary>
    /// <exception cref="InvalidDataException">An event is too long.</exception>
    /// <exception cref="JsonException">What is read is not an event.</exception>
    public static async IAsyncEnumerable<Message> ReadAsync(Stream stream, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await using var limited = new LimitedStream(stream, LongestEvent);
        await foreach (var message in JsonSerializer.DeserializeAsyncEnumerable(limited, Default.Message, topLevelValues: true, cancellationToken))
        {
            limited.Reset();
            if (message is not null)
            {
                yield return message;
            }
        }
    }
}
