using Npgsql;
using Plane.Bench.Load;
using Plane.Bench.Roles;

namespace Plane.Bench.Benches;

/// <summary>
/// Live keys that are renewed at the default pace by drones that send what is due as real ones do: statements a second, and the CPU that a renewal costs, silo
/// and PostgreSQL together. Against the same updates made one by one, which cost PostgreSQL alone.
/// </summary>
internal sealed class LeaseBench : IBench
{
    private const int Drones = 20;
    private static readonly TimeSpan s_renewEvery = TimeSpan.FromSeconds(15);

    // A drone asks together with what is due for what is due within a tenth of that.
    private static readonly int s_portions = 10;

    public string Name => "leases";

    public async Task RunAsync(BenchContext context, Report report)
    {
        await using var installation = await Installation.StartAsync();
        var drones = new List<SimulatedDrone>();
        for (var i = 0; i < Drones; i++)
        {
            drones.Add(await installation.AddDroneAsync("127.0.0.1:1", maxBackends: 100_000));
        }

        double? single = null;
        var loads = new List<(double Renewals, double Cpu)>();
        foreach (var keys in (int[])[10_000, 100_000])
        {
            var items = new List<(SimulatedDrone Drone, BackendIdentity[] Items)>();
            foreach (var drone in drones)
            {
                items.Add((drone, await FillAsync(installation, drone, keys / Drones)));
            }

            single ??= await OneByOneAsync(installation, context.Round);
            var allocated = await installation.AllocatedAsync();
            var (perRenewal, renewals, statements, silo, postgres) = await RenewAllAsync(installation, items);
            allocated = (await installation.AllocatedAsync() - allocated) / (3.0 * keys);
            loads.Add((renewals, perRenewal * renewals));
            report.Value(
                $"leases, {keys:N0} live keys, CPU a renewal, with all that drones do besides",
                $"{Report.Number(perRenewal)} µs ({Report.Number(renewals)} renewals/s in {Report.Number(statements)} commits/s; silo {Report.Number(silo)} %, PostgreSQL {Report.Number(postgres)} % of a core)",
                $"one by one: {Report.Number(single.Value)} µs in PostgreSQL alone",
                perRenewal / single.Value,
                "of one by one");
            report.Value($"leases, {keys:N0} live keys, allocated by the silo a renewal", "", "", allocated, "bytes");
            await ClearAsync(installation);
        }

        // Heartbeats, waiting calls and sweeps cost the same whatever is renewed: what one more renewal costs is the difference of the two loads.
        var further = (loads[1].Cpu - loads[0].Cpu) / (loads[1].Renewals - loads[0].Renewals);
        report.Value(
            "leases, CPU of one more renewal, silo and PostgreSQL", $"{Report.Number(further)} µs", $"one by one: {Report.Number(single!.Value)} µs in PostgreSQL alone", further / single.Value,
            "of one by one", 0.1);
    }

    private static async Task<(double PerRenewal, double Renewals, double Statements, double Silo, double Postgres)> RenewAllAsync(
        Installation installation, List<(SimulatedDrone Drone, BackendIdentity[] Items)> drones)
    {
        await RoundAsync(drones);
        var begun = TimeProvider.System.GetTimestamp();
        var (silo, postgres, commits) = (ProcessUse.Cpu(installation.Controller.Pid), Postgres(installation), await CommitsAsync(installation));
        var renewals = 0L;
        for (var round = 0; round < 2; round++)
        {
            renewals += await RoundAsync(drones);
        }

        var seconds = TimeProvider.System.GetElapsedTime(begun).TotalSeconds;
        silo = ProcessUse.Cpu(installation.Controller.Pid) - silo;
        postgres = Postgres(installation) - postgres;
        return ((silo + postgres).TotalMicroseconds / renewals, renewals / seconds, (await CommitsAsync(installation) - commits) / seconds,
            silo.TotalSeconds / seconds * 100, postgres.TotalSeconds / seconds * 100);
    }

    /// <summary>Renews everything once, spread over the time that renewals have.</summary>
    private static async Task<long> RoundAsync(List<(SimulatedDrone Drone, BackendIdentity[] Items)> drones)
    {
        var counts = await Task.WhenAll(drones.Select(async d =>
        {
            var renewed = 0L;
            await Task.Delay(s_renewEvery / s_portions * Random.Shared.NextDouble());
            using var timer = new PeriodicTimer(s_renewEvery / s_portions);
            var size = (d.Items.Length + s_portions - 1) / s_portions;
            foreach (var (part, i) in d.Items.Chunk(size).Select((p, i) => (p, i)))
            {
                foreach (var batch in part.Chunk(RenewalBatch.MaxItems))
                {
                    var reply = await d.Drone.RenewAsync(batch, i);
                    renewed += reply.Answers.Count(a => a.Outcome == RenewalOutcome.Renewed);
                }

                await timer.WaitForNextTickAsync();
            }

            return renewed == d.Items.Length ? renewed : throw new InvalidOperationException($"{renewed} of {d.Items.Length} renewed");
        }));
        return counts.Sum();
    }

    private static async Task<BackendIdentity[]> FillAsync(Installation installation, SimulatedDrone drone, int count)
    {
        await ExecuteAsync(
            installation,
            """
            with n as (select 'b' || left(md5($1 || i), 13) as id, i from generate_series(1, $2) i),
            b as (
                insert into plane.backends (id, cluster, drone, pool, key_namespace, key_name, key_tag, fencing_token, acquired_by, status, status_at, created_at,
                    ready_at, uses_static_token, executor, image)
                select id, $3, $1, '', $1, id, '', i, rpad(md5(id), 43, '0'), 'ready', now(), now(), now(), false, 'docker', 'simulated' from n)
            insert into plane.keys (namespace, name, tag, backend_id, fencing_token, expires_at) select $1, id, '', id, i, now() + interval '5 minutes' from n
            """,
            drone.Name.Value,
            count,
            drone.Cluster.Value);
        await using var connection = new NpgsqlConnection(installation.Database.ConnectionString);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand("select backend_id, fencing_token from plane.keys where namespace = $1", connection) { Parameters = { new() { Value = drone.Name.Value } } };
        await using var reader = await command.ExecuteReaderAsync();
        var items = new List<BackendIdentity>();
        while (await reader.ReadAsync())
        {
            items.Add(new BackendIdentity(BackendName.Parse(reader.GetString(0)), new FencingToken(reader.GetInt64(1))));
        }

        return [.. items];
    }

    private static async Task<double> OneByOneAsync(Installation installation, TimeSpan duration)
    {
        var before = Postgres(installation);
        var rate = await PgBench.TransactionsPerSecondAsync(
            installation.Database.ConnectionString,
            """
            \set n random(1, 500)
            with k as (select backend_id, fencing_token from plane.keys order by backend_id offset :n limit 1)
            select backend_id as id, fencing_token as token from k \gset
            update plane.keys set expires_at = greatest(expires_at, now() + interval '1 minute') where backend_id = :id and fencing_token = :token and allow_renew and expires_at > now();
            """,
            1,
            duration);

        // The choice of a row is not part of it: measured alone and taken off.
        var both = (Postgres(installation) - before).TotalMicroseconds / (rate * duration.TotalSeconds);
        before = Postgres(installation);
        var choices = await PgBench.TransactionsPerSecondAsync(
            installation.Database.ConnectionString,
            """
            \set n random(1, 500)
            with k as (select backend_id, fencing_token from plane.keys order by backend_id offset :n limit 1)
            select backend_id as id, fencing_token as token from k \gset
            """,
            1,
            duration);
        return both - ((Postgres(installation) - before).TotalMicroseconds / (choices * duration.TotalSeconds));
    }

    private static Task ClearAsync(Installation installation) => ExecuteAsync(installation, "truncate plane.keys, plane.backends, plane.history, plane.tokens");

    // Of the servers of all connections, also of those that have ended: the postmaster counts what it has waited for.
    private static TimeSpan Postgres(Installation installation) => ProcessUse.CpuWithEnded(installation.Server.Pid);

    private static async Task<long> CommitsAsync(Installation installation)
    {
        await using var connection = new NpgsqlConnection(installation.Database.ConnectionString);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand("select xact_commit from pg_stat_database where datname = current_database()", connection);
        return (long)(await command.ExecuteScalarAsync())!;
    }

    private static async Task ExecuteAsync(Installation installation, string sql, params object[] values)
    {
        await using var connection = new NpgsqlConnection(installation.Database.ConnectionString);
        await connection.OpenAsync();
#pragma warning disable CA2100 // Constants above.
        await using var command = new NpgsqlCommand(sql, connection);
#pragma warning restore CA2100
        Array.ForEach(values, v => command.Parameters.Add(new NpgsqlParameter { Value = v }));
        await command.ExecuteNonQueryAsync();
    }
}
