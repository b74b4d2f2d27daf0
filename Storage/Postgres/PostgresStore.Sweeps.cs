namespace Plane.Storage.Postgres;

// Sweeps and clean-up: one silo at a time by a lock of the transaction, in batches, so that no transaction holds many rows for long.
internal sealed partial class PostgresStore
{
    private const int SweepBatch = 500;
    private const int CleanBatch = 1_000;

    public async Task<int> SweepLostAsync(CancellationToken cancellationToken)
    {
        var count = await SweepAsync("select plane.sweep_lost($1)", cancellationToken, Sql.Int(SweepBatch));
        await ScalarAsync<int>("select plane.drop_actions_of_ended()", cancellationToken);
        return count;
    }

    public Task<int> SweepIdleAsync(CancellationToken cancellationToken) =>
        SweepAsync(
            "select case when plane.is_served($1) then plane.sweep_idle(plane.proxy_silence($1), $2) end",
            cancellationToken,
            Sql.Span(_numbers.ProxySilent),
            Sql.Int(SweepBatch));

    public Task<int> SweepLifetimeAsync(CancellationToken cancellationToken) =>
        SweepAsync("select plane.sweep_lifetime($1)", cancellationToken, Sql.Int(SweepBatch));

    public async Task<int> CleanUpAsync(TimeSpan endedBackends, TimeSpan logRows, CancellationToken cancellationToken)
    {
        for (var total = 0; ;)
        {
            var count = await ScalarAsync<int>(
                """
                select case
                    when plane.is_served($3) then plane.clean_up($1, $2, plane.proxy_silence($3), $4) + plane.drop_expired($4) + plane.forget_drones($5, $4)
                    else 0
                end
                """,
                cancellationToken,
                Sql.Span(endedBackends),
                Sql.Span(logRows),
                Sql.Span(_numbers.ProxySilent),
                Sql.Int(CleanBatch),
                Sql.Span(StoreText.ForgetsDronesAfter(endedBackends)));
            total += count;
            if (count == 0)
            {
                return total;
            }
        }
    }

    private async Task<int> SweepAsync(string sql, CancellationToken cancellationToken, params Npgsql.NpgsqlParameter[] parameters)
    {
        for (var total = 0; ;)
        {
            // Null, that is 0, where another silo is at it.
            var count = await ScalarAsync<int>(sql, cancellationToken, parameters);
            total += count;
            if (count > 0)
            {
                _feed.Committed();
            }

            if (count < SweepBatch)
            {
                return total;
            }
        }
    }
}
