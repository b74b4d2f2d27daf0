using Plane.Testing;

namespace Plane.Tests.Storage;

public abstract partial class StoreSuite
{
    [Fact]
    public async Task Every_change_that_somebody_waits_for_is_in_the_log()
    {
        await RegisterAsync();
        var start = await Store.SettledLogEndAsync();
        var command = Command(Key("room"));
        var holder = await AcquireAsync(command);
        await ReadyAsync(holder.Identity);
        await Store.TerminateAsync(holder.Identity.Backend, null, TerminationKind.Soft, TerminationReason.External, default);
        await Store.RevokeAsync(holder.Identity.Backend, new RevokeScope(), default);
        await Store.SetTxtAsync(Cluster, new TxtValues { Owner = "operator", Values = ["v"] }, TimeSpan.FromMinutes(10), default);
        await ApplyAsync(holder.Identity, BackendStatus.Terminated);
        await RegisterAsync();

        var changes = await ReadAllAsync(start, 9, registrations: true);
        Assert.Equal(
            [
                (ChangeKind.BackendState, BackendStatus.Scheduled),
                (ChangeKind.DroneAction, null),
                (ChangeKind.BackendState, BackendStatus.Ready),
                (ChangeKind.DroneAction, null),
                (ChangeKind.TokenRevoked, null),
                (ChangeKind.TxtValues, null),
                (ChangeKind.BackendState, BackendStatus.Terminated),
                (ChangeKind.DroneAction, BackendStatus.Scheduled),
                (ChangeKind.DroneAction, (BackendStatus?)null),
            ],
            changes.Select(c => (c.Kind, c.Status)));
        Assert.All(changes, c => Assert.Equal(Cluster, c.Cluster));
        Assert.All(changes.Where(c => c.Kind is ChangeKind.BackendState or ChangeKind.TokenRevoked), c => Assert.Equal(holder.Identity, c.Backend));
        Assert.All(changes.Where(c => c.Kind == ChangeKind.DroneAction), c => Assert.Equal(Drone, c.Drone));
        Assert.Equal(command.Token.Hash(), changes[4].TokenHash);
        Assert.Equal(changes.Select(c => c.Position).Order(), changes.Select(c => c.Position));
    }

    [Fact]
    public async Task Revoking_many_tokens_logs_each()
    {
        await RegisterAsync();

        // Before anything is logged: the end may stand behind rows that wait for another test's transaction.
        var start = await Store.SettledLogEndAsync();
        var holder = await AcquireAsync("room");
        var tokens = Enumerable.Range(0, 20).Select(_ => BearerToken.NewRandom()).ToArray();
        await Store.IssueTokensAsync([.. tokens.Select(t => Ask(Key("room"), t, "ann"))], default);
        await Store.RevokeAsync(holder.Identity.Backend, new RevokeScope { User = "ann" }, default);
        var hashes = (await ReadAllAsync(start, 22)).Where(c => c.Kind == ChangeKind.TokenRevoked).Select(c => c.TokenHash!).ToHashSet();
        Assert.Equal(tokens.Select(t => t.Hash()).ToHashSet(), hashes);
    }

    [Fact]
    public async Task The_log_is_read_in_pages_and_at_its_end_gives_nothing()
    {
        await RegisterAsync();
        var start = await Store.SettledLogEndAsync();
        for (var i = 0; i < 5; i++)
        {
            await AcquireAsync(Command());
        }

        await ReadAllAsync(start, 10);
        var seen = new List<LogPosition>();
        var at = start;
        while (true)
        {
            var page = await Store.ReadLogAsync(at, 3, default);
            Assert.False(page.Gap);
            at = page.Next;
            if (page.Changes.Length == 0)
            {
                break;
            }

            Assert.True(page.Changes.Length <= 3);
            seen.AddRange(page.Changes.Select(c => c.Position));
        }

        Assert.Equal(10, seen.Distinct().Count());
        Assert.Empty((await Store.ReadLogAsync(at, 3, default)).Changes);
    }

    [Fact]
    public async Task A_reader_misses_nothing_while_many_write()
    {
        var session = await RegisterAsync(capacity: 10_000);
        var at = await Store.SettledLogEndAsync();
        var seen = new Dictionary<LogPosition, Change>();
        var expected = new HashSet<(BackendIdentity, BackendStatus)>();
        var reading = Task.Run(() => Eventually.SeenAsync(
            async token =>
            {
                var page = await Store.ReadLogAsync(at, 50, token);
                Assert.False(page.Gap);
                at = page.Next;
                foreach (var change in page.Changes)
                {
                    Assert.True(seen.TryAdd(change.Position, change), "read twice");
                }

                return seen.Values.Count(c => c.Kind == ChangeKind.BackendState);
            },
            count => count == 600,
            "600 states in the log"));
        await Task.WhenAll(Enumerable.Range(0, 200).Select(async i =>
        {
            var holder = (await Pick(i).AcquireAsync(On(Command()), default)).Holder!;
            await Pick(i + 1).ApplyStatesAsync(
                session, [Event(holder.Identity, BackendStatus.Ready, 1), Event(holder.Identity, BackendStatus.Terminated, 2)], default);
            lock (expected)
            {
                expected.UnionWith([
                    (holder.Identity, BackendStatus.Scheduled), (holder.Identity, BackendStatus.Ready), (holder.Identity, BackendStatus.Terminated)]);
            }
        }));
        await reading;
        Assert.Equal(
            expected, seen.Values.Where(c => c.Kind == ChangeKind.BackendState).Select(c => (c.Backend!.Value, c.Status!.Value)).ToHashSet());

        // Per backend in the order of its life.
        Assert.All(
            seen.Values.Where(c => c.Kind == ChangeKind.BackendState).OrderBy(c => c.Position).GroupBy(c => c.Backend),
            g => Assert.Equal(g.Select(c => c.Status).Order(), g.Select(c => c.Status)));
    }

    [Fact]
    public async Task A_reader_whose_place_was_cleaned_up_is_told_of_the_gap()
    {
        await RegisterAsync();
        var start = await Store.SettledLogEndAsync();
        await AcquireAsync(Command());
        var seen = await ReadAllAsync(start, 2);
        await Harness.AdvanceAsync(TimeSpan.FromHours(2));
        await Store.CleanUpAsync(TimeSpan.FromDays(1), TimeSpan.FromHours(1), default);

        Assert.True((await Store.ReadLogAsync(start, 10, default)).Gap);
        Assert.True((await Store.ReadLogAsync(LogPosition.Start, 10, default)).Gap);
        var after = await Store.ReadLogAsync(seen[^1].Position, 10, default);
        Assert.False(after.Gap);
        var holder = await AcquireAsync(Command(), await FreshDroneAsync());
        Assert.Equal(holder.Identity, (await ReadAllAsync(after.Next, 2))[0].Backend);
    }

    [Fact]
    public async Task A_place_beyond_the_end_of_the_log_is_a_gap()
    {
        await RegisterAsync();
        Assert.True((await Store.ReadLogAsync(new LogPosition(long.MaxValue - 1, 0), 10, default)).Gap);
    }

    [Fact]
    public async Task A_wait_ends_with_a_commit_and_a_commit_between_two_waits_is_not_missed()
    {
        await RegisterAsync();
        await DrainSignalAsync();
        var waiting = Store.WaitForLogAsync(TimeSpan.FromMinutes(5), default);
        Assert.False(waiting.IsCompleted);
        await AcquireAsync(Command());
        await Eventually.EndsAsync(waiting, "the waiting reader is woken");
        await DrainSignalAsync();
        await AcquireAsync(Command());
        await Eventually.EndsAsync(Store.WaitForLogAsync(TimeSpan.FromMinutes(5), default), "the wake-up before the wait counts");
    }

    [Fact]
    public async Task A_wait_ends_with_its_time_or_its_cancellation()
    {
        await DrainSignalAsync();
        await Eventually.EndsAsync(Store.WaitForLogAsync(TimeSpan.FromMilliseconds(20), default), "the wait ends with its time");
        using var cancel = new CancellationTokenSource();
        var waiting = Store.WaitForLogAsync(TimeSpan.FromMinutes(5), cancel.Token);
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
    }

    [Fact]
    public async Task A_resolve_tells_the_place_in_the_log_it_was_read_at()
    {
        await RegisterAsync();
        var command = Command();
        var holder = await AcquireAsync(command);
        var before = (await Store.ResolveAsync(command.Token.Hash(), default)).ReadAt;
        await ReadyAsync(holder.Identity);
        var page = await Eventually.SeenAsync(
            token => Store.ReadLogAsync(before, 10, token), p => p.Changes.Any(c => c.Status == BackendStatus.Ready), "the change comes after the first reading");
        var ready = page.Changes.Single(c => c.Status == BackendStatus.Ready);
        await Eventually.SeenAsync(
            _ => Store.ResolveAsync(command.Token.Hash(), default), r => r.ReadAt >= ready.Position && r.Outcome == RouteOutcome.Found, "a reading after the change");
    }

    [Fact]
    public async Task A_call_that_was_given_up_before_it_began_does_nothing()
    {
        await RegisterAsync();
        using var cancelled = new CancellationTokenSource();
        await cancelled.CancelAsync();
        var command = Command(Key("room"));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Store.AcquireAsync(On(command), cancelled.Token));
        Assert.Null(await Store.ReadHolderAsync(command.Key, default));
        await Store.PingAsync(default);
    }

    private async Task<IReadOnlyList<Change>> ReadAllAsync(LogPosition after, int count, bool registrations = false)
    {
        // Rows wait behind transactions that are older and still run, also those of other tests on the same server. A registration before may be one of them.
        var changes = await Eventually.SeenAsync(
            async token => (await Store.ReadLogAsync(after, 1_000, token)).Changes.Where(c => registrations || c is not { Kind: ChangeKind.DroneAction, Status: not null }).ToArray(),
            c => c.Length >= count,
            $"{count} changes after {after}");
        Assert.InRange(changes.Length, count, count + (registrations ? 1 : 0));
        return changes[^count..];
    }

    private async Task DrainSignalAsync()
    {
        // Until a short wait runs its whole time: notifications of the other store's commits may still be on their way.
        await Eventually.SeenAsync(
            async token =>
            {
                var start = TimeProvider.System.GetTimestamp();
                await Store.WaitForLogAsync(TimeSpan.FromMilliseconds(150), token);
                return TimeProvider.System.GetElapsedTime(start);
            },
            waited => waited >= TimeSpan.FromMilliseconds(140),
            "the log falls silent");
    }
}
