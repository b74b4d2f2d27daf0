using System.Net.WebSockets;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Orleans.Configuration;
using Orleans.Contract;

namespace Orleans.Gateway;

/// <summary>
/// How two ends get to know each other:
/// <list type="number">
/// <item>client: <c>["hello", version, nonce, cluster, service]</c></item>
/// <item>silo: <c>["challenge", nonce, proof]</c></item>
/// <item>client: <c>["proof", proof]</c> and <c>["contract", {interface: [signature, …]}]</c></item>
/// <item>silo: <c>["welcome", name]</c></item>
/// </list>
/// A proof is an HMAC by the shared secret over who proves, both nonces and both names: each end shows that it knows the secret before it is trusted, the secret
/// stays where it is, and no proof can be used again or turned around. Until then nothing large is read of the other: the contract has a frame of its own. Without a secret the proofs are empty. The silo compares the methods that both ends know: one
/// that it lacks, or knows otherwise, is a contract that doesn't fit, and is refused here instead of in some later call.
/// </summary>
internal static class Handshake
{
    private const int NonceBytes = 32;

    public static async Task AsClientAsync(WebSocket socket, EmbeddedEngineOptions options, ClusterOptions cluster, CancellationToken cancellation)
    {
        var nonce = NewNonce();
        await SendAsync(socket, cancellation, "hello", Wire.Version, nonce, cluster.ClusterId, cluster.ServiceId);
        var challenge = await ReceiveAsync(socket, "challenge", 3, Wire.MaxStrangersFrame, cancellation);
        var (siloNonce, siloProof) = (Text(challenge[1]), Text(challenge[2]));
        if (!IsProof(siloProof, options.SharedSecret, "silo", nonce, siloNonce, cluster))
        {
            throw new WireException("the silo does not know the shared secret", WebSocketCloseStatus.PolicyViolation, "secret");
        }

        var contract = ContractCatalog.Shared.Interfaces.ToDictionary(i => i.Alias, i => i.Methods.Select(m => m.Signature).ToArray());
        await SendAsync(socket, cancellation, "proof", Prove(options.SharedSecret, "client", nonce, siloNonce, cluster));
        await SendAsync(socket, cancellation, "contract", contract);
        await ReceiveAsync(socket, "welcome", 2, Wire.MaxStrangersFrame, cancellation);
    }

    public static async Task AsSiloAsync(WebSocket socket, EmbeddedEngineOptions options, ClusterOptions cluster, CancellationToken cancellation)
    {
        var hello = await ReceiveAsync(socket, "hello", 5, Wire.MaxStrangersFrame, cancellation);
        if (hello[1].ValueKind != JsonValueKind.Number || !hello[1].TryGetInt32(out var version) || version != Wire.Version)
        {
            throw new WireException($"this gateway speaks version {Wire.Version}", WebSocketCloseStatus.PolicyViolation, "version");
        }

        var nonce = Text(hello[2]);
        if (nonce.Length is < 16 or > 128)
        {
            throw new WireException("malformed frame: nonce");
        }

        var siloNonce = NewNonce();
        await SendAsync(socket, cancellation, "challenge", siloNonce, Prove(options.SharedSecret, "silo", nonce, siloNonce, cluster));
        var proof = await ReceiveAsync(socket, "proof", 2, Wire.MaxStrangersFrame, cancellation);
        if (!IsProof(Text(proof[1]), options.SharedSecret, "client", nonce, siloNonce, cluster))
        {
            throw new WireException("the shared secret does not fit", WebSocketCloseStatus.PolicyViolation, "secret");
        }

        // After the proof: a stranger doesn't learn the cluster's name.
        if (Text(hello[3]) != cluster.ClusterId || Text(hello[4]) != cluster.ServiceId)
        {
            throw new WireException($"this is cluster {cluster.ClusterId} of service {cluster.ServiceId}", WebSocketCloseStatus.PolicyViolation, "cluster");
        }

        var contract = await ReceiveAsync(socket, "contract", 2, Wire.MaxContractFrame, cancellation);
        CheckContract(contract[1]);
        await SendAsync(socket, cancellation, "welcome", Environment.MachineName);
    }

    private static void CheckContract(JsonElement contract)
    {
        if (contract.ValueKind != JsonValueKind.Object)
        {
            throw new WireException("malformed frame: contract");
        }

        foreach (var theirs in contract.EnumerateObject())
        {
            // An interface that we don't know at all fails the calls to it, not the client: a test's or a tool's own.
            if (ContractCatalog.Shared.Find(theirs.Name) is not { } ours)
            {
                continue;
            }

            var known = ours.Methods.Select(m => m.Signature).ToHashSet();
            foreach (var signature in theirs.Value.ValueKind == JsonValueKind.Array ? theirs.Value.EnumerateArray() : throw new WireException("malformed frame: contract"))
            {
                if (!known.Contains(Text(signature)))
                {
                    throw new WireException($"contract: this silo has no {theirs.Name}.{Text(signature)}", WebSocketCloseStatus.PolicyViolation, "contract");
                }
            }
        }
    }

    private static string NewNonce() => Convert.ToBase64String(RandomNumberGenerator.GetBytes(NonceBytes));

    private static string Prove(string? secret, string role, string clientNonce, string siloNonce, ClusterOptions cluster)
    {
        if (string.IsNullOrEmpty(secret))
        {
            return "";
        }

        // JSON makes the parts unambiguous, whatever stands in them.
        var text = JsonSerializer.SerializeToUtf8Bytes(new[] { role, clientNonce, siloNonce, cluster.ClusterId, cluster.ServiceId });
        return Convert.ToBase64String(HMACSHA256.HashData(Encoding.UTF8.GetBytes(secret), text));
    }

    private static bool IsProof(string proof, string? secret, string role, string clientNonce, string siloNonce, ClusterOptions cluster) =>
        string.IsNullOrEmpty(secret) || CryptographicOperations.FixedTimeEquals(
            Encoding.UTF8.GetBytes(Prove(secret, role, clientNonce, siloNonce, cluster)), Encoding.UTF8.GetBytes(proof));

    private static string Text(JsonElement element) =>
        element.ValueKind == JsonValueKind.String ? element.GetString()! : throw new WireException("malformed frame: no string");

    private static async Task SendAsync(WebSocket socket, CancellationToken cancellation, params object[] frame) =>
        await socket.SendAsync(JsonSerializer.SerializeToUtf8Bytes(frame), WebSocketMessageType.Text, endOfMessage: true, cancellation);

    private static async Task<JsonElement[]> ReceiveAsync(WebSocket socket, string kind, int length, int limit, CancellationToken cancellation)
    {
        var buffer = new byte[Wire.MaxStrangersFrame];
        var filled = 0;
        ValueWebSocketReceiveResult result;
        do
        {
            if (filled == buffer.Length)
            {
                if (filled >= limit)
                {
                    throw new WireException("the handshake is too large", WebSocketCloseStatus.MessageTooBig, "oversized");
                }

                Array.Resize(ref buffer, filled * 2);
            }

            result = await socket.ReceiveAsync(buffer.AsMemory(filled), cancellation);
            filled += result.Count;
            if (result.MessageType == WebSocketMessageType.Close)
            {
                throw new WireException(socket.CloseStatusDescription is { Length: > 0 } why ? why : "the peer closed", WebSocketCloseStatus.NormalClosure, "closed");
            }
        }
        while (!result.EndOfMessage);

        try
        {
            var frame = JsonSerializer.Deserialize<JsonElement[]>(buffer.AsSpan(0, filled));
            return frame?.Length == length && Text(frame[0]) == kind ? frame : throw new WireException($"malformed frame: {kind} expected");
        }
        catch (JsonException e)
        {
            throw new WireException("malformed frame: " + e.Message);
        }
    }
}
