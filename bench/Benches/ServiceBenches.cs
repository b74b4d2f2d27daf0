using System.Buffers.Text;
using System.Diagnostics;
using System.Text;
using System.Text.Json.Nodes;
using Plane.Bench.Load;
using Plane.Bench.Peers;
using Plane.Bench.Roles;
using Plane.ProxyHost;
using Plane.ProxyHost.Signing;
using Plane.Testing;

namespace Plane.Bench.Benches;

/// <summary>A visitor's request on the stable URL of a session that runs, by the cookie with the signed token, against one that has a connection's token in its path.</summary>
internal sealed class ServiceRouteBench : IBench
{
    private const int Connections = 64;

    public string Name => "service-route";

    public async Task RunAsync(BenchContext context, Report report)
    {
        await using var backend = await Peer.NginxBackendAsync();
        await using var setting = await ProxySetting.StartAsync($"127.0.0.1:{backend.Port}");
        using var signer = new Signer(SigningAlgorithm.ES256);
        await Services.PutAsync(setting.Installation, "board", "signed");
        await Services.AddKeyAsync(setting.Installation, "board", signer);
        var root = new Uri($"http://127.0.0.1:{setting.Installation.Cluster.Port}/");
        string[] visitor =
        [
            $"Host: room--board.{setting.Installation.Cluster}", $"Cookie: plane-session-{root.Port}={signer.Sign(Signer.Claims("board"))}",
        ];
        await Services.AskAsync(setting.Installation.Http, root, visitor);

        Side Of(string name, Uri url, string[] headers) => new(name, async () => (await Wrk.RunAsync(url, Connections, context.Round, headers: headers)).RequestsPerSecond);
        var speed = await context.InTurnsAsync(Of("stable URL", root, visitor), Of("path token", setting.Url, []));
        report.Ratio("service, known route by cookie, small bodies, 64 connections", "requests/s", speed[0], speed[1], 1 / 1.05);

        Side Cost(string name, Uri url, string[] headers) => new(name, async () =>
        {
            var before = ProcessUse.Cpu(setting.Pid);
            var count = (await Wrk.RunAsync(url, Connections, context.Round, headers: headers)).RequestsPerSecond * context.Round.TotalSeconds;
            return (ProcessUse.Cpu(setting.Pid) - before).TotalMicroseconds / count;
        });
        var cost = await context.InTurnsAsync(Cost("stable URL", root, visitor), Cost("path token", setting.Url, []));
        report.Ratio("service, known route by cookie, CPU of the proxy a request", "µs", cost[0], cost[1], 1.05, atLeast: false);
    }
}

/// <summary>What the first request of a visitor costs the proxy: a signed token that it has not seen, of each algorithm. No token is verified twice.</summary>
internal sealed class TokenVerifyBench : IBench
{
    private const int Tokens = 500;

    public string Name => "token-verify";

    public async Task RunAsync(BenchContext context, Report report)
    {
        using var metrics = new ServiceCollection().AddMetrics().BuildServiceProvider();
        var verifier = new TokenVerifier(
            new ProxyOptions { TokenCacheSize = 1 }, new ProxyMetrics(metrics.GetRequiredService<System.Diagnostics.Metrics.IMeterFactory>()), TimeProvider.System);
        var service = ServiceName.Parse("board");
        foreach (var alg in new[] { SigningAlgorithm.HS256, SigningAlgorithm.ES256, SigningAlgorithm.EdDSA })
        {
            using var signer = new Signer(alg);
            var keys = VerificationKeys.From([signer.Key], VerificationKeys.None, key => throw new InvalidOperationException($"{key} can't be used"));
            var tokens = Enumerable.Range(0, Tokens).Select(i => signer.Sign(Signer.Claims("board").With("sub", $"user-{i}"))).ToArray();
            var bare = tokens.Select(t => (Text: Encoding.ASCII.GetBytes(t[..t.LastIndexOf('.')]), Signature: Base64Url.DecodeFromChars(t.AsSpan(t.LastIndexOf('.') + 1)))).ToArray();
            async Task<double> CpuAsync(Func<int, ValueTask<bool>> isGood)
            {
                var count = 0;
                var begun = Stopwatch.GetTimestamp();
                var before = Environment.CpuUsage.TotalTime;
                do
                {
                    for (var i = 0; i < tokens.Length; i++)
                    {
                        if (!await isGood(i))
                        {
                            throw new InvalidOperationException("a good token was refused");
                        }

                        count++;
                    }
                }
                while (Stopwatch.GetElapsedTime(begun) < context.Round);

                return (Environment.CpuUsage.TotalTime - before).TotalMicroseconds / count;
            }

            var measured = await context.InTurnsAsync(
                new Side($"{alg}", () => CpuAsync(async i => (await verifier.VerifyAsync(service, keys, tokens[i])).Token is not null)),
                new Side("the signature alone", () => CpuAsync(i => ValueTask.FromResult(signer.Verify(bare[i].Text, bare[i].Signature)))));
            report.Value($"token-verify, {alg}, CPU a verification", $"{measured[0]} µs", $"{measured[1]} µs", measured[0].Median, "µs", 60);
        }
    }
}

/// <summary>The first request on the stable URL of a session that sleeps, against a connect to a new key and the first request on its URL. The drone is simulated: what it starts is ready at once.</summary>
internal sealed class ServiceWakeBench : IBench
{
    // A service's starts by requests are bounded: each service has so many.
    private const int EachService = 300;
    private const int EachRound = 40;

    private int _woken;
    private int _keys;

    public string Name => "service-wake";

    public async Task RunAsync(BenchContext context, Report report)
    {
        await using var backend = await Peer.NginxBackendAsync();
        await using var setting = await ProxySetting.StartAsync($"127.0.0.1:{backend.Port}", "--trusted-proxies", "127.0.0.1/32");
        var installation = setting.Installation;
        var root = new Uri($"http://127.0.0.1:{installation.Cluster.Port}/");

        async Task<double> MedianAsync(Func<Task<TimeSpan>> once)
        {
            var times = new List<double>();
            for (var i = 0; i < EachRound; i++)
            {
                times.Add((await once()).TotalMilliseconds);
            }

            return times.Order().ElementAt(times.Count / 2);
        }

        var measured = await context.InTurnsAsync(
            new Side("wake", () => MedianAsync(() => WakeAsync(installation, root))), new Side("connect and request", () => MedianAsync(() => ConnectAsync(installation))));
        report.Ratio("service, wake of a sleeping session, to the first byte", "ms", measured[0], measured[1], 1.1, atLeast: false);
    }

    private async Task<TimeSpan> WakeAsync(Installation installation, Uri root)
    {
        var service = $"s{_woken / EachService}";
        if (_woken++ % EachService == 0)
        {
            await Services.PutAsync(installation, service, "public");
        }

        var begun = Stopwatch.GetTimestamp();
        await Services.AskAsync(installation.Http, root, [$"Host: room-{_woken}--{service}.{installation.Cluster}", $"X-Forwarded-For: 10.{_woken / 200 % 200}.{_woken % 200}.1"]);
        return Stopwatch.GetElapsedTime(begun);
    }

    private async Task<TimeSpan> ConnectAsync(Installation installation)
    {
        var begun = Stopwatch.GetTimestamp();
        var answer = await installation.ConnectAsync($"connect-{_keys++}", ready: false);
        await Services.AskAsync(installation.Http, new Uri((string)answer["url"]!), []);
        return Stopwatch.GetElapsedTime(begun);
    }
}

/// <summary>Services of an installation.</summary>
internal static class Services
{
    public static async Task PutAsync(Installation installation, string name, string access)
    {
        var body = new JsonObject { ["access"] = access, ["spawn_config"] = Installation.Body("")["spawn_config"]!.DeepClone() };
        using var response = await installation.Http.PutAsJsonAsync(new Uri(installation.Url, $"ctrl/s/{name}"), body);
        response.EnsureSuccessStatusCode();
    }

    public static async Task AddKeyAsync(Installation installation, string service, Signer signer)
    {
        var body = new JsonObject { ["kid"] = signer.Kid, ["alg"] = signer.Alg.ToString(), ["public_key"] = JsonNode.Parse(signer.Jwk) };
        using var response = await installation.Http.PostAsJsonAsync(new Uri(installation.Url, $"ctrl/s/{service}/keys"), body);
        response.EnsureSuccessStatusCode();
    }

    public static async Task AskAsync(HttpClient http, Uri url, string[] headers)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, url);
        foreach (var header in headers)
        {
            var colon = header.IndexOf(':', StringComparison.Ordinal);
            request.Headers.TryAddWithoutValidation(header[..colon], header[(colon + 2)..]);
        }

        using var response = await http.SendAsync(request);
        response.EnsureSuccessStatusCode();
    }
}
