using Microsoft.Extensions.DependencyInjection;
using Plane.Grains.Backends;
using Plane.Storage;
using Plane.Testing;

namespace Plane.Tests.Silo;

/// <summary>Anybody may read statuses, and a change wakes all readers of a backend at once: they must not crowd out of the database those who keep sessions alive.</summary>
public sealed class StatusReaderBurstTests
{
    private const int Readers = 100;

    [Fact]
    public async Task Readers_that_come_together_take_one_statement_at_a_time_and_are_all_served()
    {
        await using var controller = await Controller.StartAsync();
        await controller.AddDroneAsync();
        var path = $"/pub/b/{(await controller.ConnectAsync("k"))["backend_id"]!.GetValue<string>()}/status-stream";
        var reader = controller.Services.GetRequiredService<HistoryReader>();
        var (running, most, statements, taken) = (0, 0, 0, 0);
        var go = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        async Task<IReadOnlyList<BackendHistory?>> ReadHeldAsync(IReadOnlyList<BackendName> backends)
        {
            // A reader that was served may be woken and read again: by then all have been taken.
            var before = Interlocked.Add(ref taken, backends.Count) - backends.Count;
            statements += before < Readers ? 1 : 0;
            most = Math.Max(most, Interlocked.Increment(ref running));
            await go.Task;
            Interlocked.Decrement(ref running);
            var entry = new StatusEntry { Status = BackendStatus.Scheduled, Time = DateTimeOffset.UnixEpoch };
            return [.. backends.Select(_ => new BackendHistory(ClusterName.Parse(Controller.Cluster), [entry]))];
        }

        controller.Faults.Instead = (method, arguments) =>
            method == nameof(IPlaneStore.ReadHistoriesAsync) ? ReadHeldAsync((IReadOnlyList<BackendName>)arguments[0]!) : null;
        var opening = Enumerable.Range(0, Readers).Select(_ => EventStream.OpenAsync(controller.Http, path)).ToArray();
        await Eventually.SeenAsync(_ => Task.FromResult(Volatile.Read(ref taken) + reader.Queued), come => come == Readers, "all readers have come");
        go.SetResult();
        foreach (var stream in await Eventually.EndsAsync(Task.WhenAll(opening), "each reader is served"))
        {
            Assert.Equal("scheduled", (await stream.NextAsync())!.Id);
            await stream.DisposeAsync();
        }

        // One that ran when the others came, and one that those shared.
        Assert.Equal(1, most);
        Assert.InRange(statements, 1, 2);
    }
}
