using System.Collections.Concurrent;
using System.Diagnostics;
using Npgsql;
using Plane.Storage;
using static Plane.Tests.Storage.OneDrone;
using static Plane.Testing.DatabaseStatements;

namespace Plane.Tests.Storage;

/// <summary>How PostgreSQL draws fencing tokens: greater than all before, not behind the clock, and no session keeps the lock.</summary>
public sealed class FencingTokenTests : IAsyncLifetime
{
    private const string LocksHeld =
        "select count(*) from pg_locks where locktype = 'advisory' and objid = 1 and database = (select oid from pg_database where datname = current_database())";

    private PostgresHarness _harness = null!;

    private IPlaneStore Store => _harness.Stores[0];

    private IPlaneStore Other => _harness.Stores[1];

    public async Task InitializeAsync()
    {
        _harness = await PostgresHarness.OpenAsync(new LeaseOptions());
        await RegisterAsync(Store);
    }

    public async Task DisposeAsync() => await _harness.DisposeAsync();

    [Fact]
    public async Task They_grow_also_when_the_clock_was_ahead_before()
    {
        await using var connection = await OpenAsync(_harness.Database);
        var ahead = DateTimeOffset.UtcNow.AddYears(10).ToUnixTimeMilliseconds();
        await ScalarAsync(connection, $"select setval('plane.fencing_tokens', {ahead})");
        var first = (await Store.AcquireAsync(Request("one"), default)).Holder!.Identity.Token;
        var second = (await Other.AcquireAsync(Request("two"), default)).Holder!.Identity.Token;
        Assert.Equal([ahead + 1, ahead + 2], [first.Value, second.Value]);
    }

    [Fact]
    public async Task They_are_never_behind_the_clock()
    {
        await using var connection = await OpenAsync(_harness.Database);
        await ScalarAsync(connection, "select setval('plane.fencing_tokens', 1)");
        for (var i = 0; i < 20; i++)
        {
            var before = (long)(await ScalarAsync(connection, "select floor(extract(epoch from clock_timestamp()) * 1000)::bigint"))!;
            Assert.InRange((long)(await ScalarAsync(connection, "select plane.next_fencing_token()"))!, before, long.MaxValue);
        }
    }

    // By a clock in microseconds nearly every draw finds itself overtaken, so that draws and settings of the sequence meet all the time.
    [Fact]
    public async Task A_later_draw_gets_a_greater_token_however_many_draw_at_once()
    {
        const int Sessions = 12;
        const int Draws = 400;
        await using var connection = await OpenAsync(_harness.Database);
        var text = (string)(await ScalarAsync(connection, "select pg_get_functiondef('plane.next_fencing_token'::regproc)"))!;
        Assert.Equal(3, text.Split("clock_timestamp()) * 1000)").Length);
        await ScalarAsync(connection, text.Replace("clock_timestamp()) * 1000)", "clock_timestamp()) * 1000000)", StringComparison.Ordinal));

        var drawn = new ConcurrentBag<(long Begun, long Ended, long Token)>();
        await Task.WhenAll(Enumerable.Range(0, Sessions).Select(_ => Task.Run(async () =>
        {
            await using var session = await OpenAsync(_harness.Database);
            for (var i = 0; i < Draws; i++)
            {
                var begun = Stopwatch.GetTimestamp();
                var token = (long)(await ScalarAsync(session, "select plane.next_fencing_token()"))!;
                drawn.Add((begun, Stopwatch.GetTimestamp(), token));
            }
        })));

        Assert.Equal(Sessions * Draws, drawn.Select(d => d.Token).Distinct().Count());
        var byEnd = drawn.OrderBy(d => d.Ended).ToArray();
        var (ended, greatest) = (0, 0L);
        foreach (var (begun, _, token) in drawn.OrderBy(d => d.Begun))
        {
            while (byEnd[ended].Ended < begun)
            {
                greatest = Math.Max(greatest, byEnd[ended++].Token);
            }

            Assert.True(token > greatest, $"{token} was drawn after {greatest}");
        }

        Assert.Equal(0L, await ScalarAsync(connection, LocksHeld));
    }

    [Fact]
    public async Task An_acquisition_that_fails_leaves_no_session_lock_behind()
    {
        await using var connection = await OpenAsync(_harness.Database);
        await ScalarAsync(connection, "alter sequence plane.fencing_tokens maxvalue 5 restart with 5 start with 1");
        await Assert.ThrowsAsync<PostgresException>(() => Store.AcquireAsync(Request("room"), default));
        Assert.Equal(0L, await ScalarAsync(connection, LocksHeld));
        Assert.Equal(0L, await ScalarAsync(connection, "select count(*) from plane.keys"));
    }

    [Theory]
    [InlineData("pg_advisory_lock")] // Another one sets the sequence.
    [InlineData("pg_advisory_lock_shared")] // Others draw, and this one would have to set it.
    public async Task Who_gives_up_waiting_for_one_leaves_no_session_lock_behind(string held)
    {
        await using var holder = await OpenAsync(_harness.Database);
        await ScalarAsync(holder, $"select {held}(plane.lock_id('fencing_tokens'))");
        await ScalarAsync(holder, "select setval('plane.fencing_tokens', 1)");
        await using var waiter = await OpenAsync(_harness.Database);
        await ScalarAsync(waiter, "set statement_timeout = 100");
        var refused = await Assert.ThrowsAsync<PostgresException>(() => ScalarAsync(waiter, "select plane.next_fencing_token()"));
        Assert.Equal(PostgresErrorCodes.QueryCanceled, refused.SqlState);
        await ScalarAsync(holder, "select pg_advisory_unlock_all()");
        Assert.Equal(0L, await ScalarAsync(holder, LocksHeld));

        // And who gets one, in the same session, has released it.
        await ScalarAsync(waiter, "reset statement_timeout");
        Assert.True((long)(await ScalarAsync(waiter, "select plane.next_fencing_token()"))! > 0);
        Assert.True((bool)(await ScalarAsync(holder, "select pg_try_advisory_lock(plane.lock_id('fencing_tokens'))"))!);
    }

    [Fact]
    public async Task Each_lock_is_taken_and_released_inside_the_block_that_a_cancellation_ends()
    {
        // A cancellation between two statements of a function cannot be timed from outside; where the statements stand can be read.
        await using var connection = await OpenAsync(_harness.Database);
        var source = (string)(await ScalarAsync(connection, "select prosrc from pg_proc where oid = 'plane.next_fencing_token'::regproc"))!;
        var blocks = source.Split("    begin\n")[1..];
        Assert.Equal(2, blocks.Length);
        Assert.DoesNotContain("pg_advisory", source[..source.IndexOf("    begin\n", StringComparison.Ordinal)], StringComparison.Ordinal);
        foreach (var block in blocks)
        {
            var inside = block[..block.IndexOf("exception when", StringComparison.Ordinal)];
            var taken = inside.IndexOf("pg_advisory_lock", StringComparison.Ordinal);
            Assert.True(taken >= 0 && inside.IndexOf("pg_advisory_unlock", StringComparison.Ordinal) > taken, block);
            Assert.DoesNotContain("pg_advisory", block[block.IndexOf("    end;", StringComparison.Ordinal)..], StringComparison.Ordinal);
        }
    }
}
