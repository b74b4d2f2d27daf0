using Npgsql;
using Plane.Storage;
using Plane.Storage.Postgres;
using Plane.Testing;
using Xunit.Abstractions;
using static Plane.Tests.Storage.OneDrone;

namespace Plane.Tests.Storage;

/// <summary>A real primary, a real asynchronous standby, and commits that only the primary ever had.</summary>
public sealed class FailoverTests(ITestOutputHelper output)
{
    // 20 s of lease, and so of hold: a busy machine gets through a promotion while the lease of before it lives.
    private static readonly LeaseOptions s_numbers = LeaseOptions.Scaled(0.33) with { HeartbeatFresh = TimeSpan.FromMinutes(1) };

    [Fact]
    public async Task After_a_failover_that_lost_commits_no_key_is_acquired_in_a_lease_and_tokens_go_on_growing()
    {
        await using var primary = await PostgresServer.StartAsync(output);
        var log = new CollectingLogger();
        await using var standby = await StandbyAsync(primary);
        await using var store = new PostgresStore(Both(primary, standby), s_numbers, log, TimeProvider.System);
        await store.InitializeAsync(default);
        await RegisterAsync(store);
        var kept = (await store.AcquireAsync(Request("kept"), default)).Holder!;

        // The standby has this, and nothing from now on.
        await FollowedAsync(primary, standby);
        await standby.ScalarAsync("alter system set primary_conninfo = ''");
        await standby.ScalarAsync("select pg_reload_conf()");
        await Eventually.SeenAsync(
            async _ => (long)(await primary.ScalarAsync("select count(*) from pg_stat_replication"))!, n => n == 0, "the standby is cut off");
        await standby.ScalarAsync("select pg_wal_replay_pause()");

        // Acknowledged, and lost: a key is held by a backend that may run for a lease.
        var lost = (await store.AcquireAsync(Request("lost"), default)).Holder!;
        var lostAt = TimeProvider.System.GetTimestamp();
        var before = await store.ReadLogEndAsync(default);
        await primary.StopAsync(Signal.Kill);
        await standby.ScalarAsync("select pg_wal_replay_resume()");
        await standby.ScalarAsync("select pg_promote()");

        // Its control file still names the old timeline, until a checkpoint that takes its time: it must not be believed.
        var heldOff = await Eventually.SeenAsync(
            async token => await store.AcquireAsync(Request("lost"), token), r => r.Outcome == AcquireOutcome.HeldOff, "the store finds the new primary and waits");
        Assert.InRange(heldOff.HeldFor, TimeSpan.FromMilliseconds(1), s_numbers.Expiry);
        Assert.Null(await store.ReadHolderAsync(new KeyConfig { Name = "lost" }, default));
        Assert.Contains(log.Lines, l => l.StartsWith("Warning 2242", StringComparison.Ordinal));

        // A request that is refused so has no answer yet.
        var mark = new IdempotencyKey("id", "what", [1]);
        Assert.Equal(AcquireOutcome.HeldOff, (await store.AcquireAsync(Request("marked") with { Mark = mark }, default)).Outcome);

        // The ids of lost transactions are given to others. Who has read the log up to there learns that something may be missing.
        await Eventually.SeenAsync(
            async _ => (long)(await standby.ScalarAsync("select pg_current_xact_id()::text::bigint"))!, id => id > before.Transaction, "the ids were given again");
        var page = await store.ReadLogAsync(before, 10, default);
        Assert.True(page.Gap && page.Next > before, $"{page.Next} after {before}, gap: {page.Gap}");
        Assert.False((await store.ReadLogAsync(page.Next, 10, default)).Gap);
        Assert.True((await store.ReadEventsAsync(null, before, 10, default)).Gap);
        var events = await store.ReadEventsAsync(null, null, 10, default);
        Assert.Contains(events.Events, e => e.BackendId == kept.Identity.Backend);
        Assert.All(events.Events, e => Assert.True(e.Id.Position > before, $"{e.Id} after {before}"));

        // What the new primary knows continues: renewals, tokens, and repeats of what was acquired.
        Assert.Equal([RenewalOutcome.Renewed], await store.RenewAsync([kept.Identity], default));
        Assert.Equal(
            TokenOutcome.Issued,
            (await store.IssueTokensAsync([new TokenRequest(new KeyConfig { Name = "kept" }, BearerToken.NewRandom().Hash(), "s", null, null)], default))[0].Outcome);
        Assert.Equal([RenewalOutcome.Unknown], await store.RenewAsync([lost.Identity], default));

        // Another controller finds what the first one recorded, and does not begin the hold anew.
        var until = (DateTime)(await standby.ScalarAsync("select hold_until from plane.server"))!;
        await using (var other = new PostgresStore(Both(primary, standby), s_numbers, new CollectingLogger(), TimeProvider.System))
        {
            await other.InitializeAsync(default);
            Assert.Equal(AcquireOutcome.HeldOff, (await other.AcquireAsync(Request("third"), default)).Outcome);
        }

        Assert.Equal(until, await standby.ScalarAsync("select hold_until from plane.server"));

        var again = await Eventually.SeenAsync(
            async token =>
            {
                await store.RenewAsync([kept.Identity], token);
                return await store.AcquireAsync(Request("lost"), token);
            },
            r => r.Outcome == AcquireOutcome.Acquired,
            "keys are acquired after the hold");
        Assert.True(TimeProvider.System.GetElapsedTime(lostAt) >= s_numbers.Expiry, "the lost lease had not run out");
        Assert.True(again.Holder!.Identity.Token > lost.Identity.Token, $"{again.Holder.Identity.Token} after {lost.Identity.Token}");
        Assert.True(again.Holder.Identity.Token.Value > lost.Identity.Token.Value + 900_000_000, $"{again.Holder.Identity.Token} after {lost.Identity.Token}");
        Assert.Equal(AcquireOutcome.Acquired, (await store.AcquireAsync(Request("marked") with { Mark = mark }, default)).Outcome);
    }

    [Fact]
    public async Task A_server_that_restarts_is_the_same_and_a_pooler_between_hides_no_failover()
    {
        await using var server = await PostgresServer.StartAsync(output);
        await using var store = new PostgresStore(Pooled(server.AdminConnectionString), s_numbers, new CollectingLogger(), TimeProvider.System);
        await store.InitializeAsync(default);
        await RegisterAsync(store);
        Assert.Equal(AcquireOutcome.Acquired, (await store.AcquireAsync(Request("one"), default)).Outcome);
        await server.StopAsync(Signal.Kill);
        await server.RestartAsync(output);
        await Eventually.SeenAsync(
            async token => await store.AcquireAsync(Request("two"), token), r => r.Outcome == AcquireOutcome.Acquired, "acquired without a hold");

        // A connection that stays, and behind it another server: what a pooler makes of a failover. The record says what was met before.
        await server.ScalarAsync("update plane.server set timeline = 77");
        Assert.Equal(AcquireOutcome.HeldOff, (await store.AcquireAsync(Request("three"), default)).Outcome);
    }

    [Fact]
    public async Task A_server_without_fsync_is_not_used_after_a_failover_either()
    {
        await using var server = await PostgresServer.StartAsync(output);
        await using var store = new PostgresStore(Pooled(server.AdminConnectionString), s_numbers, new CollectingLogger(), TimeProvider.System);
        await store.InitializeAsync(default);
        await store.PingAsync(default);
        await server.StopAsync();
        await server.RestartAsync(output, ["fsync=off"]);
        var away = await Eventually.SeenAsync(
            async _ => (await Assert.ThrowsAsync<StoreUnavailableException>(() => store.PingAsync(default))).Message,
            m => m.Contains("fsync", StringComparison.Ordinal),
            "refused for its fsync");
        Assert.Contains("off", away, StringComparison.Ordinal);
    }

    private async Task<PostgresServer> StandbyAsync(PostgresServer primary)
    {
        var standby = await primary.StartStandbyAsync(output);
        Assert.True((bool)(await standby.ScalarAsync("select pg_is_in_recovery()"))!);
        return standby;
    }

    private static async Task FollowedAsync(PostgresServer primary, PostgresServer standby)
    {
        var at = await primary.ScalarAsync("select pg_current_wal_flush_lsn()::text");
        await Eventually.SeenAsync(
            async _ => (bool)(await standby.ScalarAsync($"select pg_last_wal_replay_lsn() >= '{at}'::pg_lsn"))!, b => b, "the standby has followed");
    }

    private static string Both(PostgresServer one, PostgresServer two) =>
        $"Host=127.0.0.1:{one.Port},127.0.0.1:{two.Port};Username=postgres;Database=postgres";

    private static string Pooled(string connectionString) => new NpgsqlConnectionStringBuilder(connectionString) { Pooling = true }.ConnectionString;
}
