using Plane.DroneHost.Runtimes;
using Plane.Testing;

namespace Plane.Tests.Drone;

/// <summary>Images that a drone pulls before they are needed, beside everything else that it does.</summary>
public sealed class ImageTests
{
    [Fact]
    public async Task Wanted_images_are_brought_two_at_a_time_and_reported()
    {
        var open = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var drone = await StartedAsync(async (image, progress, cancellationToken) =>
        {
            progress(40);
            await open.Task.WaitAsync(cancellationToken);
        });
        drone.Controller.Want(Image("c:1"), Image("a:1"), Image("b:1"));

        await ReportedAsync(drone, ("a:1", ImageStatus.Pulling), ("b:1", ImageStatus.Pulling), ("c:1", ImageStatus.Pending));
        Assert.Equal(40, drone.Controller.ImageReports.Last().Images[0].Percent);
        Assert.Equal(2, drone.Runtime.Calls.Count(c => c.StartsWith("bring ", StringComparison.Ordinal)));
        open.SetResult();
        await ReportedAsync(drone, ("a:1", ImageStatus.Ready), ("b:1", ImageStatus.Ready), ("c:1", ImageStatus.Ready));
        Assert.All(drone.Controller.ImageQueries, q => Assert.Equal("p", q.Pool));
    }

    [Fact]
    public async Task Pulls_that_never_end_delay_no_start_and_no_renewal()
    {
        await using var drone = await StartedAsync((_, _, cancellationToken) => Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancellationToken));
        drone.Controller.Want(Image("a:1"), Image("b:1"), Image("c:1"));
        await ReportedAsync(drone, ("a:1", ImageStatus.Pending), ("b:1", ImageStatus.Pending), ("c:1", ImageStatus.Pending));
        await Eventually.TrueAsync(() => drone.Runtime.Calls.Count(c => c.StartsWith("bring ", StringComparison.Ordinal)) == 2, "two pulls run");

        var backend = await drone.ReadyBackendAsync(o => o with { Executable = new Executable { Image = "a:1" } });
        drone.Clock.Advance(drone.Numbers.RenewAfter);
        await Eventually.TrueAsync(() => drone.Controller.Renewals.Any(r => r.Items.Contains(backend)), "its lease is renewed");
    }

    [Fact]
    public async Task A_pull_that_fails_is_reported_with_its_reason_and_tried_again_after_a_pause()
    {
        var attempts = 0;
        await using var drone = await StartedAsync((_, _, _) =>
            Interlocked.Increment(ref attempts) <= 2 ? throw new RuntimeFailureException("The image a:1 cannot be pulled: denied\u0007" + new string('x', 900)) : Task.CompletedTask);
        drone.Controller.Want(Image("a:1"));

        await ReportedAsync(drone, ("a:1", ImageStatus.Failed));
        var reason = drone.Controller.ImageReports.Last().Images[0].Reason;
        Assert.StartsWith("The image a:1 cannot be pulled: denied ", reason, StringComparison.Ordinal);
        Assert.Null(drone.Controller.ImageReports.Last().Validate());
        Assert.Equal(1, attempts);

        // It is not due before the pause, whatever else is wanted.
        drone.Controller.Want(Image("a:1"), Image("b:1"));
        await Eventually.TrueAsync(() => attempts == 2, "the other one is brought");
        Assert.Equal(1, drone.Runtime.Calls.Count(c => c == "bring a:1"));
        drone.Time.Advance(TimeSpan.FromMinutes(1));
        drone.Controller.Want(Image("a:1"), Image("b:1"), Image("c:1"));
        await Eventually.TrueAsync(() => drone.Runtime.Calls.Count(c => c == "bring a:1") == 2, "it is tried again after the pause");
    }

    [Fact]
    public async Task What_is_no_longer_wanted_is_given_up()
    {
        var given = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var drone = await StartedAsync(async (image, progress, cancellationToken) =>
        {
            if (image.Image == "a:1")
            {
                progress(1);
                using var _ = cancellationToken.Register(() => given.TrySetResult());
                await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancellationToken);
            }
        });
        drone.Controller.Want(Image("a:1"), Image("b:1"));
        await ReportedAsync(drone, ("a:1", ImageStatus.Pulling), ("b:1", ImageStatus.Ready));
        drone.Controller.Want(Image("b:1"));
        await Eventually.EndsAsync(given.Task, "the pull is cancelled");
        await ReportedAsync(drone, ("b:1", ImageStatus.Ready));
        Assert.Equal(1, drone.Runtime.Calls.Count(c => c == "bring b:1"));
    }

    [Fact]
    public async Task A_new_revision_has_the_image_looked_at_again_and_other_credentials_have_it_pulled_anew()
    {
        var brought = new System.Collections.Concurrent.ConcurrentQueue<WantedImage>();
        await using var drone = await StartedAsync((image, _, _) =>
        {
            brought.Enqueue(image);
            return Task.CompletedTask;
        });
        var image = Image("a:1") with { PullPolicy = PullPolicy.Always };
        foreach (var wanted in new[] { image, image with { Revision = 2 }, image with { Revision = 2, Credentials = new RegistryCredentials { Username = "u", Password = "p" } } })
        {
            var before = brought.Count;
            drone.Controller.Want(wanted);
            await Eventually.TrueAsync(() => brought.Count > before, "it is brought again");
            Assert.Equal(wanted, brought.Last());
        }
    }

    [Fact]
    public async Task All_is_reported_again_after_a_registration()
    {
        await using var drone = await StartedAsync((_, _, _) => Task.CompletedTask);
        drone.Controller.Want(Image("a:1"));
        await ReportedAsync(drone, ("a:1", ImageStatus.Ready));
        var session = drone.Controller.Session!;
        await drone.RestartAsync();
        await Eventually.TrueAsync(
            () => drone.Controller.ImageReports.Any(r => r.Session.Number > session.Number && r.Images is [{ Status: ImageStatus.Ready }]), "the next session reports the image");
    }

    [Fact]
    public async Task A_drone_that_runs_no_containers_asks_for_no_images()
    {
        await using var drone = await DroneUnderTest.StartedAsync();
        await drone.ReadyBackendAsync();
        Assert.Empty(drone.Controller.ImageQueries);
        Assert.Empty(drone.Controller.ImageReports);
    }

    private static WantedImage Image(string image) => new() { Image = image, Revision = 1 };

    private static Task<DroneUnderTest> StartedAsync(Func<WantedImage, Action<int>, CancellationToken, Task> bring) => DroneUnderTest.StartedAsync(drone =>
    {
        drone.Runtime = new FakeRuntime(ExecutorKind.Docker) { OnBring = bring };
        (drone.Options.Runtime, drone.Options.Pool) = ("docker", "p");
    });

    private static async Task ReportedAsync(DroneUnderTest drone, params (string Image, ImageStatus Status)[] images)
    {
        var states = images.Select(i => i.Status == ImageStatus.Pending ? null : (ImageStatus?)i.Status).ToArray();
        await Eventually.SeenAsync(
            () => drone.Controller.ImageReports.LastOrDefault()?.Images ?? [],
            seen => seen.Select(s => s.Image).SequenceEqual(images.Select(i => i.Image)) && seen.Zip(states).All(p => p.Second is null || p.First.Status == p.Second),
            $"{string.Join(", ", images)} are reported");
    }
}
