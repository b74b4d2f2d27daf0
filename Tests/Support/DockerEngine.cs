using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text.Json.Nodes;

namespace Plane.Tests.Support;

/// <summary>
/// The container engine as tests see it: a judge that does not share a line with the drone's own client. There must be one: a test that
/// needs it fails without.
/// </summary>
public sealed class DockerEngine
{
    /// <summary>Carries <see cref="Checkout.Run"/>, on every container that a test makes itself.</summary>
    public const string RunLabel = "dev.plane.test.run";

    private static readonly Lazy<Task<DockerEngine>> SharedEngine = new(ConnectAsync);

    private DockerEngine(string socket, HttpClient http)
    {
        Socket = socket;
        Http = http;
    }

    /// <summary>The path of its unix socket.</summary>
    public string Socket { get; }

    /// <summary>Its HTTP API; addresses are relative (<c>containers/json</c>).</summary>
    public HttpClient Http { get; }

    /// <summary>Where the engine is, as a drone is told it.</summary>
    public static string Host => Environment.GetEnvironmentVariable("DOCKER_HOST") is { Length: > 0 } given ? given : "unix:///var/run/docker.sock";

    /// <summary>The engine of <c>DOCKER_HOST</c>, or of <c>/var/run/docker.sock</c>.</summary>
    public static Task<DockerEngine> SharedAsync() => SharedEngine.Value;

    /// <summary>Containers in whatever state that carry all of <paramref name="labels"/> (<c>name=value</c> or <c>name</c>).</summary>
    public async Task<JsonArray> ListAsync(params string[] labels)
    {
        var filters = new JsonObject { ["label"] = new JsonArray([.. labels.Select(l => (JsonNode)l)]) }.ToJsonString();
        return (JsonArray)(await Http.GetFromJsonAsync<JsonNode>($"containers/json?all=true&filters={Uri.EscapeDataString(filters)}"))!;
    }

    /// <summary>Everything about one container, or null if there is none.</summary>
    public async Task<JsonNode?> InspectAsync(string container)
    {
        using var response = await Http.GetAsync($"containers/{Uri.EscapeDataString(container)}/json");
        if (response.StatusCode == HttpStatusCode.NotFound)
        {
            return null;
        }

        await EnsureAsync(response);
        return await response.Content.ReadFromJsonAsync<JsonNode>();
    }

    /// <summary>Whether it runs.</summary>
    public async Task<bool> IsRunningAsync(string container) => (await InspectAsync(container))?["State"]?["Running"]?.GetValue<bool>() == true;

    /// <summary>Starts a container of a test's own and returns its id.</summary>
    public async Task<string> RunAsync(
        string image, string? name = null, string[]? command = null, JsonObject? hostConfig = null, IReadOnlyDictionary<string, string>? labels = null, string[]? env = null)
    {
        var all = new JsonObject { [RunLabel] = Checkout.Run };
        foreach (var (key, value) in labels ?? new Dictionary<string, string>())
        {
            all[key] = value;
        }

        var body = new JsonObject { ["Image"] = image, ["Labels"] = all, ["HostConfig"] = hostConfig ?? [] };
        if (command is not null)
        {
            body["Cmd"] = new JsonArray([.. command.Select(c => (JsonNode)c)]);
        }

        if (env is not null)
        {
            body["Env"] = new JsonArray([.. env.Select(e => (JsonNode)e)]);
        }

        using var created = await Http.PostAsJsonAsync($"containers/create{(name is null ? "" : $"?name={Uri.EscapeDataString(name)}")}", body);
        await EnsureAsync(created);
        var id = (await created.Content.ReadFromJsonAsync<JsonNode>())!["Id"]!.GetValue<string>();
        using var started = await Http.PostAsync($"containers/{id}/start", null);
        await EnsureAsync(started);
        return id;
    }

    /// <summary>Sends a signal to the container's first process; false if it does not run.</summary>
    public async Task<bool> KillAsync(string container, string signal = "SIGKILL")
    {
        using var response = await Http.PostAsync($"containers/{Uri.EscapeDataString(container)}/kill?signal={signal}", null);
        if (response.StatusCode is HttpStatusCode.Conflict or HttpStatusCode.NotFound)
        {
            return false;
        }

        await EnsureAsync(response);
        return true;
    }

    /// <summary>Removes a container by force; nothing happens if there is none.</summary>
    public async Task RemoveAsync(string container)
    {
        using var response = await Http.DeleteAsync($"containers/{Uri.EscapeDataString(container)}?force=true&v=true");
        if (response.StatusCode is not (HttpStatusCode.NotFound or HttpStatusCode.Conflict))
        {
            await EnsureAsync(response);
        }
    }

    /// <summary>Removes every container that carries all of <paramref name="labels"/>; at least one must be given.</summary>
    public async Task RemoveAllAsync(params string[] labels)
    {
        ArgumentOutOfRangeException.ThrowIfZero(labels.Length);
        foreach (var container in await ListAsync(labels))
        {
            await RemoveAsync(container!["Id"]!.GetValue<string>());
        }
    }

    /// <summary>What a container wrote, both streams, without the engine's framing.</summary>
    public async Task<string> LogsAsync(string container)
    {
        var raw = await Http.GetByteArrayAsync($"containers/{Uri.EscapeDataString(container)}/logs?stdout=true&stderr=true");
        var text = new System.Text.StringBuilder();
        for (var at = 0; at + 8 <= raw.Length;)
        {
            var length = System.Buffers.Binary.BinaryPrimitives.ReadInt32BigEndian(raw.AsSpan(at + 4, 4));
            text.Append(System.Text.Encoding.UTF8.GetString(raw.AsSpan(at + 8, Math.Min(length, raw.Length - at - 8))));
            at += 8 + length;
        }

        return text.ToString();
    }

    internal static async Task EnsureAsync(HttpResponseMessage response)
    {
        if (!response.IsSuccessStatusCode)
        {
            throw new HttpRequestException(
                $"{response.RequestMessage?.Method} {response.RequestMessage?.RequestUri?.PathAndQuery}: {(int)response.StatusCode} {await response.Content.ReadAsStringAsync()}",
                null,
                response.StatusCode);
        }
    }

    private static async Task<DockerEngine> ConnectAsync()
    {
        var host = Host;
        if (!host.StartsWith("unix://", StringComparison.Ordinal))
        {
            throw new InvalidOperationException($"The tests drive a container engine on this machine; DOCKER_HOST is '{host}', not unix://….");
        }

        var socket = host["unix://".Length..];
        var handler = new SocketsHttpHandler
        {
            ConnectCallback = async (_, cancel) =>
            {
                var connection = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                try
                {
                    await connection.ConnectAsync(new UnixDomainSocketEndPoint(socket), cancel);
                    return new NetworkStream(connection, ownsSocket: true);
                }
                catch
                {
                    connection.Dispose();
                    throw;
                }
            },
        };
        var http = new HttpClient(handler) { BaseAddress = new Uri("http://docker/"), Timeout = TimeSpan.FromMinutes(2) };
        try
        {
            using var response = await http.GetAsync("_ping");
            response.EnsureSuccessStatusCode();
        }
        catch (HttpRequestException e)
        {
            throw new InvalidOperationException($"No container engine answers at {host}: start one, or run the tests by ./plane test, which does.", e);
        }

        return new DockerEngine(socket, http);
    }
}
