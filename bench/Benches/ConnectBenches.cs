using Plane.Bench.Load;
using Plane.Bench.Roles;
using Plane.Testing;

namespace Plane.Bench.Benches;

/// <summary>Connects to a key that is held: one more token each. Against one row inserted by each transaction of as many clients.</summary>
internal sealed class ConnectHeldBench : IBench
{
    private const int Clients = 64;

    public string Name => "connect-held";

    public async Task RunAsync(BenchContext context, Report report)
    {
        await using var installation = await Installation.StartAsync();
        await installation.AddDroneAsync("127.0.0.1:1");
        await installation.ConnectAsync("held");
        using var directory = new TempDirectory();
        await File.WriteAllTextAsync(
            directory["connect.lua"],
            $"""
            wrk.method = "POST"
            wrk.headers["Content-Type"] = "application/json"
            wrk.body = '{Installation.Body("held").ToJsonString()}'
            """);
        const string Insert =
            "insert into plane.tokens (hash, backend_id, user_name, auth, secret) values (rpad(replace(gen_random_uuid()::text, '-', ''), 43, '0'), 'bench', null, null, replace(gen_random_uuid()::text, '-', ''));";

        // A controller runs for weeks; what it is compiled to in its first seconds is not what it runs.
        await Wrk.RunAsync(new Uri(installation.Url, "ctrl/connect"), Clients, TimeSpan.FromSeconds(12), directory["connect.lua"]);
        var (ours, theirs) = (new RequestCpu(installation), new RequestCpu(installation));
        var allocated = await installation.AllocatedAsync();
        var measured = await context.InTurnsAsync(
            new Side("plane", () => ours.RoundAsync(
                context.Round,
                async () => (await Wrk.RunAsync(new Uri(installation.Url, "ctrl/connect"), Clients, context.Round, directory["connect.lua"])).RequestsPerSecond)),
            new Side("pgbench", () => theirs.RoundAsync(
                context.Round, () => PgBench.TransactionsPerSecondAsync(installation.Database.ConnectionString, Insert, Clients, context.Round))));
        report.Ratio("connect, key held, 64 clients", "requests/s", measured[0], measured[1], 1.0);
        report.Value("connect, key held, CPU a request", $"{ours}", $"pgbench: PostgreSQL {Report.Number(theirs.Postgres)} µs", ours.Sum, "µs");
        report.Value("connect, key held, allocated by the controller a request", "", "", (await installation.AllocatedAsync() - allocated) / ours.Requests, "bytes");
    }
}

/// <summary>Connects to keys that nobody holds, up to the committed spawn action. Against the same statements, one transaction each, by as many clients.</summary>
internal sealed class ConnectNewBench : IBench
{
    private const int Clients = 64;
    private const int Drones = 16;

    public string Name => "connect-new";

    public async Task RunAsync(BenchContext context, Report report)
    {
        await using var installation = await Installation.StartAsync();
        for (var i = 0; i < Drones; i++)
        {
            await installation.AddDroneAsync("127.0.0.1:1");
        }

        using var directory = new TempDirectory();
        var run = 0;
        var (ours, theirs) = (new RequestCpu(installation), new RequestCpu(installation));
        var measured = await context.InTurnsAsync(
            new Side("plane", () => ours.RoundAsync(context.Round, async () =>
            {
                await File.WriteAllTextAsync(
                    directory["connect.lua"],
                    $$"""
                    local n = 0
                    wrk.headers["Content-Type"] = "application/json"
                    request = function()
                        n = n + 1
                        return wrk.format("POST", nil, nil, '{"key":{"name":"k{{run++}}-' .. n .. '"},"spawn_config":{"executable":{"image":"simulated"} } }')
                    end
                    """);
                return (await Wrk.RunAsync(new Uri(installation.Url, "ctrl/connect"), Clients, context.Round, directory["connect.lua"])).RequestsPerSecond;
            })),
            new Side("pgbench", () => theirs.RoundAsync(
                context.Round, () => PgBench.TransactionsPerSecondAsync(installation.Database.ConnectionString, Statements, Clients, context.Round))));
        report.Ratio("connect, new key, 64 clients", "requests/s", measured[0], measured[1], 0.6);
        report.Value("connect, new key, CPU a request", $"{ours}", $"pgbench: PostgreSQL {Report.Number(theirs.Postgres)} µs", ours.Sum, "µs");
    }

    // What an acquisition writes and locks, as plain statements, each a round trip as any client without a stored function would make it.
    private const string Statements =
        """
        \set n random(1, 1000000000000)
        \set d random(1, 16)
        begin;
        select name as drone from plane.drones order by name offset :d - 1 limit 1 for share \gset
        insert into plane.keys (namespace, name, tag, backend_id, fencing_token, expires_at) values ('', 'p' || :n, '', 'p' || :n, 0, 'infinity') on conflict do nothing;
        update plane.keys set fencing_token = nextval('plane.fencing_tokens'), expires_at = clock_timestamp() + interval '1 minute' where namespace = '' and name = 'p' || :n;
        insert into plane.backends (id, cluster, drone, pool, key_namespace, key_name, key_tag, fencing_token, acquired_by, status, status_at, created_at, uses_static_token, executor, image)
            values ('p' || :n, 'bench', 'dr-bench', '', '', 'p' || :n, '', :n, rpad(md5(random()::text), 43, '0'), 'scheduled', now(), now(), false, 'docker', 'simulated') on conflict do nothing;
        insert into plane.tokens (hash, backend_id, secret) values (rpad(md5(random()::text), 43, '0'), 'p' || :n, md5(random()::text));
        insert into plane.history (backend_id, status, at) values ('p' || :n, 'scheduled', now());
        insert into plane.changes (kind, cluster, backend_id, fencing_token, status) values ('backend_state', 'bench', 'p' || :n, 1, 'scheduled'), ('drone_action', 'bench', null, null, null);
        update plane.drone_counters set last_action = last_action + 1 where drone = :drone;
        insert into plane.actions (cluster, drone, number, backend_id, fencing_token, kind, spawn, instance_id, boot_id, renew_at, soft_at, hard_at)
            values ('bench', 'dr-bench', :n, 'p' || :n, 1, 'spawn', repeat('x', 300), 'i', 'b', 1, 2, 3) on conflict do nothing;
        commit;
        """;
}
