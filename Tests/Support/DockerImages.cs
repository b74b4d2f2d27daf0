using Docker.DotNet.Models;

namespace Plane.Testing;

/// <summary>
/// Images for tests, put together on this machine without any registry, once for all tests and runs (<c>demo/image.sh</c> tags by content).
/// What tests get is a tag of this run, so that a container shows by its image which run it is of.
/// </summary>
public static class DockerImages
{
    private static readonly Lazy<Task<string>> BackendImage = new(() => TagAsync("backend", BuildBackendAsync));
    private static readonly Lazy<Task<string>> BoardImage = new(() => TagAsync("board", BuildBoardAsync));
    private static readonly Lazy<Task<string>> BusyboxImage = new(() => TagAsync("busybox", BuildBusyboxAsync));

    /// <summary>The repository of this run's tags.</summary>
    public static string Repository { get; } = $"plane-test-run-{Checkout.Run.ToLowerInvariant()}";

    /// <summary><c>tools/TestBackend</c>, listening on <c>PORT</c> of all the container's addresses; behaviour by <c>BACKEND_*</c> variables.</summary>
    public static Task<string> BackendAsync() => BackendImage.Value;

    /// <summary>The demo's board.</summary>
    public static Task<string> BoardAsync() => BoardImage.Value;

    /// <summary>A shell and its tools (<c>httpd</c>, <c>nc</c>), 1 MB. By default an HTTP server on 8080.</summary>
    public static Task<string> BusyboxAsync() => BusyboxImage.Value;

    /// <summary>The command of the same test backend for the process runtime.</summary>
    public static string[] BackendCommand(params string[] arguments) => [Checkout.Dotnet, Checkout.Backend, .. arguments];

    private static Task<string> BuildBackendAsync() => ScriptAsync(
        "demo/image.sh",
        ["plane-test-backend", Path.GetDirectoryName(Checkout.Backend)!, "testbackend.dll", "BACKEND_BIND=any"],
        // Root, because mounted directories belong to the user that runs the drone.
        new Dictionary<string, string?> { ["IMAGE_USER"] = "0:0" });

    private static Task<string> BuildBoardAsync() => ScriptAsync(
        "demo/image.sh", ["plane-demo-board", Path.GetDirectoryName(Checkout.Board)!, "board.dll", "BOARD_BIND=any"], null);

    private static Task<string> BuildBusyboxAsync() => ScriptAsync("Tests/Support/busybox-image.sh", [], null);

    private static async Task<string> ScriptAsync(string script, string[] arguments, Dictionary<string, string?>? environment)
    {
        environment ??= [];
        environment["DOCKER_HOST"] = $"unix://{(await DockerEngine.SharedAsync()).Socket}";
        environment["PATH"] = $"{Path.GetDirectoryName(Checkout.Dotnet)}:{Environment.GetEnvironmentVariable("PATH")}";
        var (code, lines) = await RunningProgram.RunAsync(
            "/bin/bash", [Checkout.File(script), .. arguments], environment: environment, deadline: TimeSpan.FromMinutes(3));
        return code == 0 && lines.Count > 0
            ? lines[^1]
            : throw new InvalidOperationException($"{script} failed with {code}:\n{string.Join('\n', lines)}");
    }

    private static async Task<string> TagAsync(string name, Func<Task<string>> build)
    {
        var image = await build();
        var engine = await DockerEngine.SharedAsync();
        await engine.Client.Images.TagImageAsync(image, new ImageTagParameters { RepositoryName = Repository, Tag = name });
        AppDomain.CurrentDomain.ProcessExit += (_, _) =>
        {
            // The tag alone: the image stays under its content's tag for the next run. Refused while a container is left, which ./plane test removes.
            engine.RemoveImageAsync($"{Repository}:{name}", force: false).Wait();
        };
        return $"{Repository}:{name}";
    }
}
