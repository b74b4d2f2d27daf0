using System.Text.Json.Nodes;

namespace Plane.Tests.Silo;

internal static class Requests
{
    /// <summary>A connect request that starts a process backend for the key.</summary>
    public static JsonObject Connect(string? key) => new()
    {
        ["key"] = key is null ? null : new JsonObject { ["name"] = key },
        ["spawn_config"] = new JsonObject { ["executable"] = new JsonObject { ["command"] = new JsonArray("/bin/true") } },
    };

    public static JsonObject Spawn(this JsonObject connect) => (JsonObject)connect["spawn_config"]!;

    public static JsonObject Executable(this JsonObject connect) => (JsonObject)connect.Spawn()["executable"]!;

    public static string Unique(string prefix) => $"{prefix}-{Guid.NewGuid():N}"[..Math.Min(40, prefix.Length + 13)];
}
