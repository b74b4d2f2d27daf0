using System.Net.Sockets;
using Plane.Testing;

namespace Plane.Bench.Peers;

/// <summary>Something that a user would pick instead, started on loopback for one bench.</summary>
internal sealed class Peer : IAsyncDisposable
{
    private readonly TempDirectory? _directory;

    private Peer(RunningProgram program, int port, TempDirectory? directory)
    {
        Program = program;
        Port = port;
        _directory = directory;
    }

    public RunningProgram Program { get; }

    public int Port { get; }

    public Uri Url => new($"http://127.0.0.1:{Port}/");

    /// <summary>nginx (Debian) that answers by itself, with a body of some bytes.</summary>
    public static Task<Peer> NginxBackendAsync(int bytes = 100) => NginxAsync(
        $"location / {{ default_type text/plain; return 200 \"{new string('x', bytes)}\"; }}");

    /// <summary>nginx that serves the files of a folder, and takes uploads of any size and throws them away.</summary>
    public static Task<Peer> NginxFilesAsync(string folder, string sink) => NginxAsync(
        $"location / {{ root {folder}; }} location /sink {{ client_max_body_size 0; proxy_request_buffering off; proxy_http_version 1.1; proxy_pass {sink}; }}");

    /// <summary>nginx as a proxy, with keep-alive to the upstream, upgrades, and no buffering: what a session's proxy must do.</summary>
    public static Task<Peer> NginxProxyAsync(string upstream) => NginxAsync(
        """
        location / {
            proxy_pass http://up; proxy_http_version 1.1; client_max_body_size 0;
            proxy_set_header Host $host; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;
            proxy_buffering off; proxy_request_buffering off; proxy_read_timeout 1h;
        }
        """,
        $"map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }} upstream up {{ server {upstream}; keepalive 256; }}");

    /// <summary>haproxy (Debian) as a proxy, with keep-alive on both sides.</summary>
    public static async Task<Peer> HaproxyAsync(string upstream)
    {
        var directory = new TempDirectory();
        var port = FreePort.Next();
        await File.WriteAllTextAsync(
            directory["haproxy.cfg"],
            $"""
            global
                maxconn 4000
                nbthread 2
            defaults
                mode http
                timeout connect 5s
                timeout client 1h
                timeout server 1h
                http-reuse always
            frontend f
                bind 127.0.0.1:{port}
                default_backend b
            backend b
                server s {upstream}

            """);
        return await ReadyAsync(await RunningProgram.StartAsync("haproxy", ["-f", directory["haproxy.cfg"], "-db"], name: "haproxy"), port, directory);
    }

    /// <summary>YARP's forwarder and nothing else (<see cref="BareYarp"/>).</summary>
    public static async Task<Peer> BareYarpAsync(string upstream)
    {
        var port = FreePort.Next();
        return await ReadyAsync(await SelfAsync("bare YARP", "serve-yarp", $"{port}", $"http://{upstream}/"), port);
    }

    /// <summary>A WebSocket echo server on Kestrel (<see cref="EchoBackend"/>).</summary>
    public static async Task<Peer> EchoAsync()
    {
        var port = FreePort.Next();
        return await ReadyAsync(await SelfAsync("echo backend", "serve-echo", $"{port}"), port);
    }

    /// <summary>configurable-http-proxy (npm), JupyterHub's proxy: one default target.</summary>
    public static async Task<Peer> ConfigurableHttpProxyAsync(string upstream)
    {
        var folder = Path.Combine(Path.GetTempPath(), "plane-bench-npm");
        var script = Path.Combine(folder, "node_modules", "configurable-http-proxy", "bin", "configurable-http-proxy");
        if (!File.Exists(script))
        {
            Directory.CreateDirectory(folder);
            await File.WriteAllTextAsync(Path.Combine(folder, "package.json"), "{}");
            var (code, lines) = await RunningProgram.RunAsync(
                "npm", ["install", "configurable-http-proxy@4.6.3", "--no-audit", "--no-fund"], workingDirectory: folder, deadline: TimeSpan.FromMinutes(2));
            if (code != 0)
            {
                throw new InvalidOperationException("npm: " + string.Join('\n', lines));
            }
        }

        var port = FreePort.Next();
        return await ReadyAsync(
            await RunningProgram.StartAsync(
                "node",
                [script, "--ip", "127.0.0.1", "--port", $"{port}", "--api-port", $"{FreePort.Next()}", "--default-target", $"http://{upstream}", "--log-level", "error"],
                environment: new Dictionary<string, string?> { ["CONFIGPROXY_AUTH_TOKEN"] = "bench" },
                name: "configurable-http-proxy"),
            port);
    }

    public async ValueTask DisposeAsync()
    {
        // In peace, so that masters take their workers along.
        Program.Send(Signal.Terminate);
        await Task.WhenAny(Program.Exited, Task.Delay(TimeSpan.FromSeconds(3)));
        await Program.DisposeAsync();
        _directory?.Dispose();
    }

    private static async Task<Peer> NginxAsync(string server, string http = "")
    {
        var directory = new TempDirectory();
        var port = FreePort.Next();
        await File.WriteAllTextAsync(
            directory["nginx.conf"],
            $$"""
            daemon off; worker_processes 2; worker_rlimit_nofile 65536; pid {{directory["pid"]}}; error_log stderr error; user root;
            events { worker_connections 32768; }
            http {
                access_log off; keepalive_requests 1000000000; keepalive_timeout 1h; client_body_temp_path {{directory["b"]}}; proxy_temp_path {{directory["p"]}};
                fastcgi_temp_path {{directory["f"]}}; uwsgi_temp_path {{directory["u"]}}; scgi_temp_path {{directory["s"]}};
                {{http}}
                server { listen 127.0.0.1:{{port}} backlog=4096; {{server}} }
            }
            """);
        return await ReadyAsync(await RunningProgram.StartAsync("nginx", ["-c", directory["nginx.conf"]], name: "nginx"), port, directory);
    }

    private static Task<RunningProgram> SelfAsync(string name, params string[] arguments) =>
        RunningProgram.StartDotnetAsync(typeof(Peer).Assembly.Location, arguments, name: name);

    private static async Task<Peer> ReadyAsync(RunningProgram program, int port, TempDirectory? directory = null)
    {
        await Eventually.SeenAsync(
            async token =>
            {
                using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
                await socket.ConnectAsync("127.0.0.1", port, token);
                return true;
            },
            connected => connected,
            $"{program.Name} listens on {port}");
        return new Peer(program, port, directory);
    }
}
