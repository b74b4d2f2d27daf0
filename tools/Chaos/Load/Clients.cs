using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Plane.Chaos.Parts;
using Plane.Chaos.Verdict;

namespace Plane.Chaos.Load;

/// <summary>What a connect gave.</summary>
/// <param name="Number">The number that stands for it in the log.</param>
/// <param name="Backend">What it opens.</param>
/// <param name="Token">The connection token.</param>
internal sealed record Ticket(int Number, string Backend, string Token)
{
    /// <summary>One token for everybody can't be revoked.</summary>
    public bool IsStatic => Token.StartsWith("s.", StringComparison.Ordinal);
}

/// <summary>A connect that somebody wants to make, once or again.</summary>
/// <param name="Key">To which key.</param>
internal sealed record Wish(string Key)
{
    /// <summary>Whether a new backend runs in a container.</summary>
    public bool InContainer { get; init; }

    /// <summary>How long a new backend takes to stop.</summary>
    public int StopMilliseconds { get; init; }

    public bool IsStatic { get; init; }

    /// <summary>The id under which a repeat gets the first answer.</summary>
    public string? RequestId { get; init; }

    public int WaitSeconds { get; init; }

    /// <summary>Whether it is by the service that keeps warm backends.</summary>
    public bool ByService { get; init; }

    /// <summary>One of <see cref="Probes"/>, where it is measured.</summary>
    public string? Probe { get; init; }
}

/// <summary>Asks the controller and visits backends over the proxies as an application and its users do, and writes all of it down.</summary>
internal sealed class Clients(RequestLog log, Rig rig, string processRecords) : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan EchoEvery = TimeSpan.FromMilliseconds(250);

    private readonly HttpClient[] _controllers =
        [.. rig.Controllers.Select(c => new HttpClient(new SocketsHttpHandler { UseProxy = false }) { BaseAddress = c.Url, Timeout = Timeout.InfiniteTimeSpan })];

    private readonly HttpMessageInvoker[] _proxies = [.. rig.Proxies.Select(p => Through(p.Address))];
    private readonly string _image = rig.Drones.Select(d => d.Engine?.Image).OfType<string>().First();
    private readonly Dictionary<string, int> _tickets = [];
    private int _asked;
    private volatile int[] _open = [.. Enumerable.Range(0, rig.Controllers.Count)];

    /// <summary>The service that keeps warm backends.</summary>
    public const string Service = "chaos";

    /// <summary>Makes or changes the service.</summary>
    /// <param name="number">Each has another environment, and so another version.</param>
    /// <param name="cancellationToken">The end of the run.</param>
    public Task<Entry> PutServiceAsync(int number, CancellationToken cancellationToken)
    {
        var executable = Executable(0);
        ((JsonObject)executable["env"]!)["JUDGE_VERSION"] = number.ToString(CultureInfo.InvariantCulture);
        return AskAsync(
            new Entry { Op = "service", Start = 0, End = 0 },
            HttpMethod.Put,
            $"ctrl/s/{Service}",
            new JsonObject
            {
                ["spawn_config"] = new JsonObject { ["executable"] = executable },
                ["access"] = "public",
                ["warm"] = new JsonObject { ["count"] = 4, ["max_age_seconds"] = 30 },
            },
            null,
            cancellationToken);
    }

    private JsonObject Executable(int stopMilliseconds) => new()
    {
        ["env"] = new JsonObject
        {
            ["JUDGE_STOP_MS"] = stopMilliseconds.ToString(CultureInfo.InvariantCulture), ["DOTNET_EnableDiagnostics"] = "0", ["DOTNET_TieredPGO"] = "0", ["JUDGE_DIR"] = processRecords,
        },
        ["command"] = new JsonArray(Checkout.Dotnet, Checkout.Judge),
    };

    /// <summary>Connects to a key; a new backend runs as the caller wishes.</summary>
    /// <param name="wish">What to.</param>
    /// <param name="cancellationToken">The end of the run.</param>
    /// <param name="turn">Whose turn it is, of the open controllers; null: in turn with everybody else's requests.</param>
    public async Task<(Entry Entry, Ticket? Ticket)> ConnectAsync(Wish wish, CancellationToken cancellationToken, int? turn = null)
    {
        Ticket? ticket = null;
        var executable = Executable(wish.StopMilliseconds);
        if (wish.InContainer)
        {
            executable.Remove("command");
            ((JsonObject)executable["env"]!).Remove("JUDGE_DIR");
            (executable["image"], executable["pull_policy"], executable["mount"]) = (_image, "Never", true);
        }

        var request = new JsonObject
        {
            ["key"] = new JsonObject { ["name"] = wish.Key },
            ["wait_seconds"] = wish.WaitSeconds,
        };
        if (wish.ByService)
        {
            request["service"] = Service;
        }
        else
        {
            request["spawn_config"] = new JsonObject { ["executable"] = executable, ["use_static_token"] = wish.IsStatic };
        }

        if (wish.RequestId is not null)
        {
            request["request_id"] = wish.RequestId;
        }

        var entry = await AskAsync(new Entry { Op = Ops.Connect, Key = wish.Key, Request = wish.RequestId, Probe = wish.Probe, Service = wish.ByService ? Service : null, Controller = turn is { } t ? rig.Controllers[_open[t % _open.Length]].Name : null, Start = 0, End = 0 }, HttpMethod.Post, "ctrl/connect", request, (json, entry) =>
        {
            ticket = new Ticket(NumberOf((string)json["token"]!), (string)json["backend_id"]!, (string)json["token"]!);
            return entry with
            {
                Backend = ticket.Backend, Token = (long)json["key"]!["fencing_token"]!, Spawned = (bool)json["spawned"]!, Drone = (string?)json["drone"],
                Status = (string)json["status"]!, Ticket = ticket.Number,
            };
        }, cancellationToken, turn);
        return (entry, ticket);
    }

    public Task<Entry> TerminateAsync(string backend, bool hard, CancellationToken cancellationToken) => AskAsync(
        new Entry { Op = Ops.Terminate, Backend = backend, Start = 0, End = 0 }, HttpMethod.Post, $"ctrl/b/{backend}/{(hard ? "hard" : "soft")}-terminate", null, null, cancellationToken);

    public Task<Entry> RevokeAsync(Ticket ticket, CancellationToken cancellationToken) => AskAsync(
        new Entry { Op = Ops.Revoke, Backend = ticket.Backend, Ticket = ticket.Number, Start = 0, End = 0 },
        HttpMethod.Post,
        "ctrl/b/revoke",
        new JsonObject { ["backend_id"] = ticket.Backend, ["token"] = ticket.Token },
        null,
        cancellationToken);

    public Task<Entry> DrainAsync(string drone, bool terminate, CancellationToken cancellationToken) => AskAsync(
        new Entry { Op = Ops.Drain, Drone = drone, Start = 0, End = 0 },
        HttpMethod.Post, $"ctrl/c/{Rig.Cluster}/d/{drone}/drain{(terminate ? "?terminate=true" : "")}", null, null, cancellationToken);

    public Task<Entry> UndrainAsync(string drone, CancellationToken cancellationToken) => AskAsync(
        new Entry { Op = Ops.Undrain, Drone = drone, Start = 0, End = 0 }, HttpMethod.Post, $"ctrl/c/{Rig.Cluster}/d/{drone}/undrain", null, null, cancellationToken);

    public Task<Entry> StatusAsync(string backend, CancellationToken cancellationToken) => AskAsync(
        new Entry { Op = Ops.Status, Backend = backend, Start = 0, End = 0 },
        HttpMethod.Get,
        $"pub/b/{backend}/status",
        null,
        (json, entry) => entry with { Status = (string)json["status"]!, Reason = (string?)json["termination_reason"] },
        cancellationToken);

    /// <summary>Looks until a backend's status is this one, or the limit has passed.</summary>
    public async Task<bool> BecomesAsync(string backend, string status, TimeSpan limit, CancellationToken cancellationToken)
    {
        var began = TimeProvider.System.GetTimestamp();
        while ((await StatusAsync(backend, cancellationToken)).Status != status)
        {
            if (TimeProvider.System.GetElapsedTime(began) > limit)
            {
                return false;
            }

            await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, cancellationToken);
        }

        return true;
    }

    public Task<Entry> HistoryAsync(string backend, CancellationToken cancellationToken) => AskAsync(
        new Entry { Op = Ops.History, Backend = backend, Start = 0, End = 0 },
        HttpMethod.Get,
        $"ctrl/b/{backend}",
        null,
        (json, entry) => entry with
        {
            History = [.. json["history"]!.AsArray().Select(h => (string)h!["status"]!)],
            Reason = (string?)json["history"]!.AsArray().LastOrDefault()?["termination_reason"],
        },
        cancellationToken);

    /// <summary>The drones that are ready and take backends.</summary>
    public async Task<int> ReadyDronesAsync(CancellationToken cancellationToken)
    {
        try
        {
            using var patience = Limited(cancellationToken);
            var state = await Next().GetFromJsonAsync<JsonNode>($"ctrl/c/{Rig.Cluster}/state", patience.Token);
            return state!["drones"]!.AsArray().Count(d => (bool)d!["ready"]! && !(bool)d["draining"]!);
        }
        catch (Exception e) when (Failure(e, cancellationToken) is not null)
        {
            return 0;
        }
    }

    /// <summary>What a controller says of its health.</summary>
    public async Task<Entry> HealthAsync(Controller controller, CancellationToken cancellationToken)
    {
        var entry = new Entry { Op = Ops.Health, Controller = controller.Name, Start = BootClock.Now, End = 0 };
        try
        {
            using var patience = Limited(cancellationToken);
            using var response = await _controllers[rig.Controllers.IndexOf(controller)].GetAsync("pub/health", patience.Token);
            entry = entry with { Ok = response.IsSuccessStatusCode, Error = response.IsSuccessStatusCode ? null : (string?)(await response.Content.ReadFromJsonAsync<JsonNode>(patience.Token))?["message"] };
        }
        catch (Exception e) when (Failure(e, cancellationToken) is { } failure)
        {
            entry = entry with { Error = failure };
        }

        return log.Add(entry with { End = BootClock.Now });
    }

    /// <summary>One request through a proxy.</summary>
    public async Task<Entry> VisitAsync(Ticket ticket, int proxy, CancellationToken cancellationToken, string? probe = null)
    {
        var entry = new Entry
        {
            Op = Ops.Visit, Backend = ticket.Backend, Ticket = ticket.Number, Proxy = rig.Proxies[proxy].Name, Probe = probe, Start = BootClock.Now, End = 0,
        };
        try
        {
            using var patience = Limited(cancellationToken);
            using var request = new HttpRequestMessage(HttpMethod.Get, $"http://{Rig.Cluster}/{ticket.Token}/");
            using var response = await _proxies[proxy].SendAsync(request, patience.Token);
            var text = await response.Content.ReadAsStringAsync(patience.Token);
            entry = response.StatusCode == HttpStatusCode.OK
                ? Answered(entry, text)
                : entry with { Error = ((int)response.StatusCode).ToString(CultureInfo.InvariantCulture) };
        }
        catch (Exception e) when (Failure(e, cancellationToken) is { } failure)
        {
            entry = entry with { Error = failure };
        }

        return log.Add(entry with { End = BootClock.Now });
    }

    /// <summary>Holds a WebSocket open over a proxy, for so long or until it is enough; every message must come back as it was. False where it broke.</summary>
    public async Task<bool> StreamAsync(Ticket ticket, int proxy, TimeSpan length, CancellationToken cancellationToken, CancellationToken enough = default)
    {
        var entry = new Entry { Op = Ops.Visit, Backend = ticket.Backend, Ticket = ticket.Number, Start = BootClock.Now, End = 0 };
        using var socket = new ClientWebSocket();
        var buffer = new byte[1024];
        try
        {
            using (var patience = Limited(cancellationToken))
            {
                await socket.ConnectAsync(new Uri($"ws://{Rig.Cluster}/{ticket.Token}/stream"), _proxies[proxy], patience.Token);
                var first = await socket.ReceiveAsync(buffer.AsMemory(), patience.Token);
                entry = Answered(entry, Encoding.ASCII.GetString(buffer, 0, first.Count));
            }
        }
        catch (Exception e) when (Failure(e, cancellationToken) is { } failure)
        {
            log.Add(entry with { Error = socket.HttpStatusCode is 0 or HttpStatusCode.SwitchingProtocols ? failure : ((int)socket.HttpStatusCode).ToString(CultureInfo.InvariantCulture), End = BootClock.Now });
            return false;
        }

        log.Add(entry with { End = BootClock.Now });
        entry = new Entry { Op = "stream", Backend = ticket.Backend, Start = BootClock.Now, End = 0 };
        var began = TimeProvider.System.GetTimestamp();
        try
        {
            for (var i = 0; TimeProvider.System.GetElapsedTime(began) < length && !enough.IsCancellationRequested; i++)
            {
                var message = $"{ticket.Number} {i}";
                using var patience = Limited(cancellationToken);
                await socket.SendAsync(Encoding.ASCII.GetBytes(message), WebSocketMessageType.Text, endOfMessage: true, patience.Token);
                var echo = await socket.ReceiveAsync(buffer.AsMemory(), patience.Token);
                if (echo.MessageType == WebSocketMessageType.Close)
                {
                    log.Add(entry with { Error = "closed", End = BootClock.Now });
                    return false;
                }

                if (Encoding.ASCII.GetString(buffer, 0, echo.Count) != message)
                {
                    log.Add(entry with { Op = Ops.Visit, Ticket = ticket.Number, Ok = true, Answered = $"somebody who echoed '{Encoding.ASCII.GetString(buffer, 0, echo.Count)}' to '{message}'", End = BootClock.Now });
                    return false;
                }

                await Task.Delay(EchoEvery, TimeProvider.System, cancellationToken);
            }
        }
        catch (Exception e) when (Failure(e, cancellationToken) is { } failure)
        {
            log.Add(entry with { Error = failure, End = BootClock.Now });
            return false;
        }

        log.Add(entry with { Ok = true, End = BootClock.Now });
        return true;
    }

    public void Dispose()
    {
        foreach (var controller in _controllers)
        {
            controller.Dispose();
        }

        foreach (var proxy in _proxies)
        {
            proxy.Dispose();
        }
    }

    /// <summary>From now on only these are asked, as a load balancer would that knows which are there.</summary>
    public void Ask(params IEnumerable<int> controllers) => _open = [.. controllers];

    /// <summary>As a load balancer: in turn.</summary>
    private HttpClient Next(int? turn = null)
    {
        var open = _open;
        return _controllers[open[(int)((uint)(turn ?? Interlocked.Increment(ref _asked)) % (uint)open.Length)]];
    }

    /// <summary>The same token has the same number.</summary>
    private int NumberOf(string token)
    {
        lock (_tickets)
        {
            return _tickets.TryGetValue(token, out var number) ? number : _tickets[token] = _tickets.Count + 1;
        }
    }

    private async Task<Entry> AskAsync(
        Entry entry, HttpMethod method, string path, JsonObject? body, Func<JsonNode, Entry, Entry>? read, CancellationToken cancellationToken, int? turn = null)
    {
        entry = entry with { Start = BootClock.Now };
        try
        {
            using var patience = Limited(cancellationToken);
            using var request = new HttpRequestMessage(method, path) { Content = body is null ? null : JsonContent.Create(body) };
            using var response = await Next(turn).SendAsync(request, patience.Token);
            var text = await response.Content.ReadAsStringAsync(patience.Token);
            var json = text.Length == 0 ? null : JsonNode.Parse(text);
            entry = response.IsSuccessStatusCode
                ? (read is null ? entry : read(json!, entry)) with { Ok = true }
                : entry with { Error = (string?)json?["kind"] ?? ((int)response.StatusCode).ToString(CultureInfo.InvariantCulture) };
        }
        catch (Exception e) when (Failure(e, cancellationToken) is { } failure)
        {
            entry = entry with { Error = failure };
        }

        return log.Add(entry with { End = BootClock.Now });
    }

    /// <summary>A backend says who it is and under which token.</summary>
    private static Entry Answered(Entry entry, string text)
    {
        var words = text.Split(' ');
        return entry with
        {
            Ok = true, Answered = words[0], AnsweredToken = words.Length > 1 && long.TryParse(words[1], NumberStyles.None, CultureInfo.InvariantCulture, out var token) ? token : 0,
        };
    }

    /// <summary>What is written for an exception that a fault explains; null for what nothing explains and for the end of the run.</summary>
    private static string? Failure(Exception e, CancellationToken cancellationToken) => e switch
    {
        _ when cancellationToken.IsCancellationRequested => null,
        OperationCanceledException => "timeout",
        HttpRequestException { HttpRequestError: HttpRequestError.ConnectionError } => "away",
        HttpRequestException or WebSocketException or IOException or SocketException or JsonException => "broken",
        _ => null,
    };

    private static CancellationTokenSource Limited(CancellationToken cancellationToken)
    {
        var source = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        source.CancelAfter(Patience);
        return source;
    }

    /// <summary>All names lead to one proxy; which, is the client's choice.</summary>
    private static HttpMessageInvoker Through(IPEndPoint proxy) => new(new SocketsHttpHandler
    {
        UseProxy = false,
        AllowAutoRedirect = false,
        ConnectCallback = async (_, cancellationToken) =>
        {
            var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            try
            {
                await socket.ConnectAsync(proxy, cancellationToken);
                return new NetworkStream(socket, ownsSocket: true);
            }
            catch
            {
                socket.Dispose();
                throw;
            }
        },
    });
}
