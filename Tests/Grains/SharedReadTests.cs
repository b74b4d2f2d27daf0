using Microsoft.Extensions.DependencyInjection;
using Orleans.Runtime;
using Plane.Grains.Clusters;
using Plane.Storage;
using Plane.Testing;

namespace Plane.Tests.Grains;

/// <summary>Reads that several callers share; also when they fail after all of those have gone.</summary>
public sealed class SharedReadTests
{
    [Fact]
    public async Task A_read_of_txt_values_that_fails_after_its_caller_has_gone_is_made_again()
    {
        await using var plane = await GrainCluster.StartAsync(On.Sqlite);
        var cluster = plane.NewCluster();
        var grain = plane.Certificates(cluster);
        await FailAfterItsCallerAsync(
            plane,
            nameof(IPlaneStore.ReadTxtAsync),
            t => grain.ReadTxt(cluster, t),
            () => grain.SetTxt(cluster, new TxtValues { Owner = "" }));
    }

    [Fact]
    public async Task A_picture_of_the_drones_that_fails_after_its_caller_has_gone_is_made_again()
    {
        await using var plane = await GrainCluster.StartAsync(On.Sqlite);
        var cluster = plane.NewCluster();
        var drones = plane.SiloServices.GetRequiredService<DronePicker>();
        await FailAfterItsCallerAsync(
            plane,
            nameof(IPlaneStore.ListCandidatesAsync),
            t => drones.PickAsync(cluster, new PlacementQuery { Pool = "", Kind = ExecutorKind.Process }, t),
            () => drones.ReadStateAsync(cluster, default));
    }

    [Fact]
    public async Task However_many_ask_for_a_clusters_state_at_once_it_is_read_one_time_after_the_other()
    {
        await using var plane = await GrainCluster.StartAsync(On.Sqlite);
        var drones = plane.SiloServices.GetRequiredService<DronePicker>();
        var cluster = plane.NewCluster();
        var gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var before = plane.Faults.Calls(nameof(IPlaneStore.ReadClusterAsync));
        int Reads() => plane.Faults.Calls(nameof(IPlaneStore.ReadClusterAsync)) - before;
        plane.Faults.Hold(nameof(IPlaneStore.ReadClusterAsync), gate.Task);
        var first = drones.ReadStateAsync(cluster, default);
        await Eventually.TrueAsync(() => Reads() == 1, "the first read has begun");
        var others = Enumerable.Range(0, 50).Select(_ => drones.ReadStateAsync(cluster, default)).ToArray();
        for (var i = 0; i < 5; i++)
        {
            await drones.PickAsync(cluster, new PlacementQuery { Pool = "", Kind = ExecutorKind.Process }, default);
        }

        Assert.Equal(1, Reads());
        gate.SetResult();
        await Task.WhenAll([first, .. others]);
        Assert.InRange(Reads(), 2, 10);
    }

    private static async Task FailAfterItsCallerAsync(GrainCluster plane, string method, Func<CancellationToken, Task> read, Func<Task> another)
    {
        var mark = Guid.NewGuid().ToString("N");
        var gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var failing = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        plane.Faults.Hold(method, gate.Task);
        plane.Faults.Fail(m =>
        {
            if (m != method)
            {
                return null;
            }

            failing.TrySetResult();
            return new StoreUnavailableException(mark);
        });

        var before = plane.Faults.Calls(method);
        using (var patience = new CancellationTokenSource())
        {
            var reading = read(patience.Token);
            await Eventually.TrueAsync(() => plane.Faults.Calls(method) > before, "the read has begun");
            await patience.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => reading);
        }

        // The grain has heard of it once it answers what was asked later.
        for (var i = 0; i < 5; i++)
        {
            await another();
        }

        gate.SetResult();
        await Eventually.EndsAsync(failing.Task, "the read fails");
        plane.Faults.Back();

        // A reading that succeeds takes the place of the failed one, which nothing holds any more.
        await Eventually.SeenAsync(
            async t =>
            {
                try
                {
                    await read(t);
                    return "read";
                }
                catch (Exception e) when (e is OrleansException or StoreUnavailableException)
                {
                    return e.Message;
                }
            },
            outcome => outcome == "read",
            "a read succeeds");
    }
}
