namespace Plane.Tests.Storage;

public abstract partial class StoreSuite
{
    [Fact]
    public async Task The_services_whose_image_is_pulled_before_it_is_needed_are_listed()
    {
        var spawn = new SpawnConfig { Executable = new Executable { Image = "board:1" }, Pool = "p" };
        foreach (var (name, prepull) in new[] { ("b", true), ("no", false), ("a", true) })
        {
            await Store.PutServiceAsync(ServiceName.Parse(name), new ServiceConfig { SpawnConfig = spawn, Access = ServiceAccess.Public, Prepull = prepull }, default);
        }

        var listed = await Store.ListPrepullAsync(default);
        Assert.Equal(["a", "b"], listed.Select(s => s.Name.Value));
        Assert.All(listed, s => Assert.Equal(("board:1", "p", true), (s.Config.SpawnConfig.Executable.Image, s.Config.SpawnConfig.Pool, s.Config.Prepull)));
        await Store.DeleteServiceAsync(ServiceName.Parse("a"), false, default);
        Assert.Equal("b", Assert.Single(await Store.ListPrepullAsync(default)).Name.Value);
    }

    [Fact]
    public async Task A_drones_report_of_its_images_takes_the_place_of_its_last_one()
    {
        var session = await RegisterAsync(pool: "p");
        var before = Assert.Single(await Store.ListImagesAsync(default));
        Assert.Equal((Cluster, Drone, "p"), (before.Cluster, before.Drone, before.Pool));
        Assert.Empty(before.Images);
        ImageState[] images =
        [
            new() { Image = "a:1", Status = ImageStatus.Pulling, Percent = 40 }, new() { Image = "b:1", Status = ImageStatus.Failed, Reason = "Grüße \u202e \"'<\ud83d\ude00" },
        ];
        Assert.Equal(SessionState.Current, await Store.ReportImagesAsync(session, images, default));
        Assert.Equal(images, Assert.Single(await Harness.Stores[^1].ListImagesAsync(default)).Images);
        Assert.Equal(SessionState.Current, await Store.ReportImagesAsync(session, [], default));
        Assert.Empty(Assert.Single(await Store.ListImagesAsync(default)).Images);
    }

    [Fact]
    public async Task A_replaced_session_reports_no_images()
    {
        var old = await RegisterAsync();
        var session = await RegisterAsync();
        ImageState[] images = [new() { Image = "a:1", Status = ImageStatus.Ready }];
        Assert.Equal(SessionState.Replaced, await Store.ReportImagesAsync(old, images, default));
        Assert.Empty(Assert.Single(await Store.ListImagesAsync(default)).Images);
        Assert.Equal(SessionState.Unknown, await Store.ReportImagesAsync(new DroneSession(Cluster, DroneName.Parse("dr-none"), 1), images, default));
        Assert.Equal(SessionState.Current, await Store.ReportImagesAsync(session, images, default));
    }

    [Fact]
    public async Task The_largest_report_of_images_is_stored()
    {
        var session = await RegisterAsync();
        ImageState[] images =
        [
            .. Enumerable.Range(0, ImagePage.MaxImages).Select(i => new ImageState
            {
                Image = $"registry.example/{new string('a', 200)}{i}:{new string('b', 100)}", Status = ImageStatus.Failed, Reason = new string('\u00e4', ImageState.MaxReason),
            }),
        ];
        Assert.Null(new ImageReport { Session = session, Images = images }.Validate());
        Assert.Equal(SessionState.Current, await Store.ReportImagesAsync(session, images, default));
        Assert.Equal(images, Assert.Single(await Store.ListImagesAsync(default)).Images);
    }

    [Fact]
    public async Task Only_drones_that_run_containers_and_are_there_are_listed_with_their_images()
    {
        var session = await RegisterAsync();
        await Store.RegisterDroneAsync(Registration(DroneName.Parse("dr-processes")) with { Kinds = [ExecutorKind.Process] }, Controller, default);
        var away = (await Store.RegisterDroneAsync(Registration(DroneName.Parse("dr-away")), Controller, default)).Session!;
        await Store.HeartbeatDroneAsync(
            new DroneHeartbeat
            {
                Session = away, InstanceId = "instance-1", BootId = "boot-1", Reading = 6_000, Ready = true, Kinds = [ExecutorKind.Process], UnavailableKinds = [ExecutorKind.Docker],
            },
            Controller,
            default);
        Assert.Equal(["dr-away", "dr-one"], (await Store.ListImagesAsync(default)).Select(i => i.Drone.Value));
        await Store.ReportImagesAsync(session, [new ImageState { Image = "a:1", Status = ImageStatus.Ready }], default);
        await Harness.AdvanceAsync(Numbers.HeartbeatFresh + TimeSpan.FromSeconds(1));
        Assert.Empty(await Store.ListImagesAsync(default));

        // A drone that is forgotten leaves nothing.
        await Harness.AdvanceAsync(TimeSpan.FromDays(8));
        await Store.CleanUpAsync(TimeSpan.FromDays(7), TimeSpan.FromDays(7), default);
        Assert.Empty((await Store.ReadClusterAsync(Cluster, default)).Drones);
        await RegisterAsync();
        Assert.Empty(Assert.Single(await Store.ListImagesAsync(default)).Images);
    }
}
