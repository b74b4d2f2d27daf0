using Docker.DotNet.Models;
using Plane.DroneHost.Runtimes;
using Plane.DroneHost.Runtimes.Docker;
using Plane.Testing;

namespace Plane.Tests.Runtimes;

public sealed class DockerPullTests : IAsyncLifetime
{
    private readonly DockerBench _bench = new();
    private FakeRegistry _registry = null!;

    public async Task InitializeAsync() => _registry = await FakeRegistry.StartAsync();

    public async Task DisposeAsync()
    {
        await _bench.EndAsync();
        await _registry.DisposeAsync();
    }

    [Fact]
    public async Task An_image_that_is_missing_is_pulled_and_its_progress_told()
    {
        var told = new List<string>();
        var runtime = _bench.NewRuntime();
        var start = await StartOf(null) with { Progress = told.Add };

        await runtime.PrepareAsync(start, default);
        await runtime.PrepareAsync(start, default);

        Assert.Equal($"pulling {_registry.Image}", told[0]);
        Assert.Single(told, t => t == told[0]);
        Assert.Contains(_registry.Image, (await (await DockerEngine.SharedAsync()).Client.Images.InspectImageAsync(_registry.Image)).RepoTags);
    }

    [Fact]
    public async Task An_image_that_does_not_exist_ends_with_its_name()
    {
        var start = await StartOf(null);
        start = start with { Executable = start.Executable with { Image = _registry.Image.Replace(":one", ":two", StringComparison.Ordinal) } };

        var failure = await Assert.ThrowsAsync<RuntimeFailureException>(() => _bench.NewRuntime().PrepareAsync(start, default));

        Assert.Contains($"The image {start.Executable.Image} cannot be pulled", failure.Message, StringComparison.Ordinal);
        Assert.Contains("unknown", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_image_that_must_not_be_pulled_and_is_not_there_ends_with_its_name()
    {
        var failure = await Assert.ThrowsAsync<RuntimeFailureException>(async () => await _bench.NewRuntime().PrepareAsync(await StartOf(PullPolicy.Never), default));

        Assert.Contains("pull policy is never", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_pull_that_fails_in_the_middle_ends_with_the_reason()
    {
        _registry.Corrupt = true;

        var failure = await Assert.ThrowsAsync<RuntimeFailureException>(async () => await _bench.NewRuntime().PrepareAsync(await StartOf(PullPolicy.Always), default));

        Assert.Contains("cannot be pulled", failure.Message, StringComparison.Ordinal);
        Assert.Contains("verification failed", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_pull_that_stands_still_is_given_up()
    {
        _registry.Hang = true;
        _bench.Configure = o => o.PullIdleTimeout = TimeSpan.FromSeconds(1);

        var failure = await Assert.ThrowsAsync<RuntimeFailureException>(async () => await _bench.NewRuntime().PrepareAsync(await StartOf(PullPolicy.Always), default));

        Assert.Contains("nothing was received for 1 s", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_pull_can_be_cancelled()
    {
        _registry.Hang = true;
        using var cancel = new CancellationTokenSource();
        var preparing = _bench.NewRuntime().PrepareAsync(await StartOf(PullPolicy.Always), cancel.Token);
        await Eventually.EndsAsync(_registry.SecondAsked, "the pull comes to the second layer");

        await cancel.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Eventually.EndsAsync(preparing, "the pull ends"));
    }

    [Fact]
    public async Task An_engine_that_goes_away_in_the_middle_of_a_pull_is_unavailable_and_no_failure_of_the_backend()
    {
        _registry.Hang = true;
        await using var proxy = await EngineProxy.StartAsync();
        _bench.Configure = o => o.Host = proxy.Host;
        var preparing = _bench.NewRuntime().PrepareAsync(await StartOf(PullPolicy.Always), default);
        await Eventually.EndsAsync(_registry.SecondAsked, "the pull comes to the second layer");

        proxy.Cut();

        await Assert.ThrowsAsync<RuntimeUnavailableException>(() => preparing);
    }

    [Fact]
    public async Task Credentials_are_given_to_the_registry()
    {
        _registry.Only = new RegistryCredentials { Username = "us?er", Password = "pass>>~word" };

        await _bench.NewRuntime().PrepareAsync(await StartOf(null, _registry.Only), default);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Wrong_or_no_credentials_end_with_the_reason_and_without_the_password(bool given)
    {
        _registry.Only = new RegistryCredentials { Username = "user", Password = "right" };
        var start = await StartOf(null, given ? new RegistryCredentials { Username = "user", Password = "wrong-secret" } : null);

        var failure = await Assert.ThrowsAsync<RuntimeFailureException>(() => _bench.NewRuntime().PrepareAsync(start, default));

        Assert.Contains("cannot be pulled", failure.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("wrong-secret", failure.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_image_is_brought_before_it_is_needed_and_then_it_is_there()
    {
        var runtime = (IImageRuntime)_bench.NewRuntime();
        _registry.Only = new RegistryCredentials { Username = "u", Password = "p" };
        var percents = new List<int>();
        var image = new WantedImage { Image = _registry.Image, Credentials = _registry.Only };
        await runtime.BringAsync(image, percents.Add, default);

        Assert.Equal(0, percents[0]);
        Assert.All(percents, p => Assert.InRange(p, 0, 99));
        await _bench.NewRuntime().PrepareAsync(await StartOf(PullPolicy.Never), default);
        percents.Clear();
        await runtime.BringAsync(image with { Credentials = null }, percents.Add, default);
        Assert.Empty(percents);
        var failure = await Assert.ThrowsAsync<RuntimeFailureException>(() => runtime.BringAsync(image with { Image = "a b" }, percents.Add, default));
        Assert.Contains("not an image reference", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_pulls_share_counts_all_layers_alike_and_never_goes_back()
    {
        var layers = new PullLayers();
        Assert.Equal(0, layers.Percent);
        Take("Pulling from library/app", "1.0");
        Assert.Equal(0, layers.Percent);
        Take("Pulling fs layer", "a");
        Take("Already exists", "b");
        Assert.Equal(50, layers.Percent);
        Take("Downloading", "a", 50, 100);
        Assert.Equal(70, layers.Percent);
        Take("Pulling fs layer", "c");
        Take("Waiting", "d");
        Assert.Equal(70, layers.Percent);
        foreach (var id in new[] { "a", "c", "d" })
        {
            Take("Download complete", id);
            Take("Extracting", id, 200, 100);
            Take("Pull complete", id);
        }

        Assert.Equal(99, layers.Percent);
        Assert.Equal((50e-6, 100e-6), (layers.Megabytes, layers.TotalMegabytes));
        layers.Take(null);
        Take("Downloading", "e", -5, 0);
        Take("Downloading", new string('x', 1_000), 1, 1);
        Assert.Equal(99, layers.Percent);

        void Take(string status, string id, long? current = null, long? total = null) => layers.Take(new JSONMessage
        {
            Status = status, ID = id, Progress = current is null ? null : new JSONProgress { Current = current.Value, Total = total!.Value },
        });
    }

    [Theory]
    [InlineData("../../containers/json")]
    [InlineData("a/../b")]
    [InlineData("a b")]
    [InlineData("a?b=c")]
    [InlineData("http://example.com/a")]
    [InlineData("a:")]
    [InlineData("")]
    public async Task What_is_no_image_reference_is_refused_before_the_engine_is_asked(string image)
    {
        var start = await StartOf(null);
        _bench.Configure = o => o.Host = "unix:///nowhere";

        var failure = await Assert.ThrowsAsync<RuntimeFailureException>(
            () => _bench.NewRuntime().PrepareAsync(start with { Executable = start.Executable with { Image = image } }, default));

        Assert.Contains("not an image reference", failure.Message, StringComparison.Ordinal);
    }

    private async Task<BackendStart> StartOf(PullPolicy? policy, RegistryCredentials? credentials = null) =>
        await _bench.StartOf("") with { Executable = new Executable { Image = _registry.Image, PullPolicy = policy, Credentials = credentials } };
}
