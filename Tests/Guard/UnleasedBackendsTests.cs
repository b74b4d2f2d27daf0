using Plane.DroneHost.Guard;
using Plane.DroneHost.Runtimes;
using Plane.Tests.Drone;
using Plane.Testing;

namespace Plane.Tests.Guard;

/// <summary>The comparison of what runs with the leases. The test says what runs.</summary>
public sealed class UnleasedBackendsTests : IAsyncLifetime, IDisposable
{
    private const string Away = "no program listens on the socket: for the test";

    private readonly TempDirectory _directory = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly ShiftedTime _time = new(TimeProvider.System);
    private readonly Log _log = new();
    private Task _running = Task.CompletedTask;
    private int _looks;

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        await _stop.CancelAsync();
        await _running;
    }

    public void Dispose()
    {
        _stop.Dispose();
        _log.Dispose();
        _directory.Dispose();
    }

    [Fact]
    public async Task An_engine_that_goes_away_is_logged_once_with_its_cause_again_after_a_minute_and_at_its_end()
    {
        var away = false;
        Compare(() =>
        {
            if (Volatile.Read(ref away))
            {
                throw new RuntimeUnavailableException(Away);
            }

            return [];
        });
        await LooksAsync(1);

        Volatile.Write(ref away, true);
        await LooksAsync(4);
        Assert.Equal(1, _log.Count(Away));

        _time.Advance(TimeSpan.FromMinutes(1));
        await Eventually.TrueAsync(() => _log.Count(Away) == 2, "it is logged again");

        Volatile.Write(ref away, false);
        await Eventually.TrueAsync(() => _log.Contains("is compared with the leases again"), "its end is logged");
        await LooksAsync(2);
        Assert.Equal(1, _log.Count("is compared with the leases again"));
    }

    [Fact]
    public async Task An_engine_that_a_machine_does_not_have_is_logged_once()
    {
        Compare(() => throw new RuntimeUnavailableException(Away));
        await LooksAsync(2);

        _time.Advance(TimeSpan.FromHours(1));
        await LooksAsync(2);

        Assert.Equal(1, _log.Count(Away));
    }

    [Fact]
    public async Task One_that_cannot_be_ended_keeps_no_other_running()
    {
        var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var stuck = new RunningBackend(FakeController.NewIdentity(), "stuck", _ => throw new RuntimeUnavailableException("device or resource busy: for the test"));
        var other = new RunningBackend(
            FakeController.NewIdentity(),
            "other",
            _ =>
            {
                ended.TrySetResult();
                return Task.CompletedTask;
            });

        Compare(() => [stuck, other]);

        await Eventually.EndsAsync(ended.Task, "the other is ended");
        await Eventually.TrueAsync(() => _log.Contains($"{stuck.Backend.Backend} runs without a valid lease and could not be ended"), "it is logged");
        await LooksAsync(3);
        Assert.Equal(1, _log.Count("device or resource busy: for the test"));
    }

    [Theory]
    [InlineData(false, false, true)]
    [InlineData(true, true, true)]
    [InlineData(true, false, false)]
    public async Task What_has_no_lease_is_ended_and_what_the_guard_has_ended_does_not_run_again(bool hasLease, bool wasEnded, bool ends)
    {
        var ended = 0;
        var backend = new RunningBackend(
            FakeController.NewIdentity(),
            "a copy",
            _ =>
            {
                Interlocked.Increment(ref ended);
                return Task.CompletedTask;
            });
        var directory = new RunDirectory(_directory["run"]);
        directory.Create();
        if (hasLease)
        {
            await File.WriteAllTextAsync(directory.LeaseOf(backend.Backend), "");
        }

        if (wasEnded)
        {
            await File.WriteAllTextAsync(directory.MarkOf(backend.Backend), "");
        }

        Compare(() => [backend]);
        await LooksAsync(3);

        Assert.Equal(ends, Volatile.Read(ref ended) > 0);
    }

    private void Compare(Func<IReadOnlyList<RunningBackend>> list)
    {
        var directory = new RunDirectory(_directory["run"]);
        directory.Create();
        var unleased = new UnleasedBackends(
            directory,
            async _ =>
            {
                await Task.Yield();
                Interlocked.Increment(ref _looks);
                return list();
            },
            _time,
            _log);
        _running = unleased.RunAsync(_stop.Token);
    }

    /// <summary>Waits for so many further looks.</summary>
    private async Task LooksAsync(int more)
    {
        var until = Volatile.Read(ref _looks) + more;
        await Eventually.TrueAsync(() => Volatile.Read(ref _looks) > until, "it looks again");
    }
}
