using System.Text;
using Docker.DotNet;
using Docker.DotNet.Models;

namespace Plane.Testing;

/// <summary>
/// The container engine as tests see it: a judge that shares no line with the drone's own code, only the library, and that over another transport. There must be one: a
/// test that needs it fails without.
/// </summary>
public sealed class DockerEngine
{
    /// <summary>Carries <see cref="Checkout.Run"/>, on every container that a test makes itself.</summary>
    public const string RunLabel = "dev.plane.test.run";

    private static readonly Lazy<Task<DockerEngine>> SharedEngine = new(ConnectAsync);

    private DockerEngine(string socket, DockerClient client)
    {
        Socket = socket;
        Client = client;
    }

    /// <summary>The path of its unix socket.</summary>
    public string Socket { get; }

    /// <summary>Its API.</summary>
    public DockerClient Client { get; }

    /// <summary>Where the engine is, as a drone is told it.</summary>
    public static string Host => Environment.GetEnvironmentVariable("DOCKER_HOST") is { Length: > 0 } given ? given : "unix:///var/run/docker.sock";

    /// <summary>The engine of <c>DOCKER_HOST</c>, or of <c>/var/run/docker.sock</c>.</summary>
    public static Task<DockerEngine> SharedAsync() => SharedEngine.Value;

    /// <summary>Containers in whatever state that carry all of <paramref name="labels"/> (<c>name=value</c> or <c>name</c>).</summary>
    public Task<IList<ContainerListResponse>> ListAsync(params string[] labels) => Client.Containers.ListContainersAsync(new ContainersListParameters
    {
        All = true,
        Filters = new Dictionary<string, IDictionary<string, bool>> { ["label"] = labels.ToDictionary(l => l, _ => true) },
    });

    /// <summary>Everything about one container, or null if there is none.</summary>
    public async Task<ContainerInspectResponse?> InspectAsync(string container)
    {
        try
        {
            return await Client.Containers.InspectContainerAsync(container);
        }
        catch (DockerContainerNotFoundException)
        {
            return null;
        }
    }

    /// <summary>Whether it runs.</summary>
    public async Task<bool> IsRunningAsync(string container) => (await InspectAsync(container))?.State?.Running == true;

    /// <summary>Starts a container of a test's own and returns its id.</summary>
    public async Task<string> RunAsync(
        string image, string? name = null, string[]? command = null, HostConfig? hostConfig = null, IReadOnlyDictionary<string, string>? labels = null, string[]? env = null)
    {
        var created = await Client.Containers.CreateContainerAsync(new CreateContainerParameters
        {
            Name = name,
            Image = image,
            Labels = new Dictionary<string, string>(labels ?? new Dictionary<string, string>()) { [RunLabel] = Checkout.Run },
            HostConfig = hostConfig,
            Cmd = command!,
            Env = env!,
        });
        await Client.Containers.StartContainerAsync(created.ID);
        return created.ID;
    }

    /// <summary>Sends a signal to the container's first process; false if it does not run.</summary>
    public async Task<bool> KillAsync(string container, string signal = "SIGKILL") =>
        await UnlessRefusedAsync(Client.Containers.KillContainerAsync(container, new ContainerKillParameters { Signal = signal }));

    /// <summary>Removes a container by force; nothing happens if there is none.</summary>
    public async Task RemoveAsync(string container) => await UnlessRefusedAsync(
        Client.Containers.RemoveContainerAsync(container, new ContainerRemoveParameters { Force = true, RemoveVolumes = true }));

    /// <summary>Removes an image, or one of its names; nothing happens if there is none, or if it is in use.</summary>
    public async Task RemoveImageAsync(string image, bool force = true) => await UnlessRefusedAsync(
        Client.Images.DeleteImageAsync(image, new ImageDeleteParameters { Force = force, NoPrune = !force }));

    /// <summary>Removes every container that carries all of <paramref name="labels"/>; at least one must be given.</summary>
    public async Task RemoveAllAsync(params string[] labels)
    {
        ArgumentOutOfRangeException.ThrowIfZero(labels.Length);
        foreach (var container in await ListAsync(labels))
        {
            await RemoveAsync(container.ID);
        }
    }

    /// <summary>What a container wrote, both streams.</summary>
    public async Task<string> LogsAsync(string container)
    {
        using var stream = await Client.Containers.GetContainerLogsAsync(container, new ContainerLogsParameters { ShowStdout = true, ShowStderr = true });
        using var text = new MemoryStream();
        await stream.CopyOutputToAsync(Stream.Null, text, text, default);
        return Encoding.UTF8.GetString(text.ToArray());
    }

    /// <summary>Whether the engine carried a call out; false where what it is about isn't there or isn't in a state for it.</summary>
    public static async Task<bool> UnlessRefusedAsync(Task call)
    {
        try
        {
            await call;
            return true;
        }
        catch (DockerApiException e) when (e.StatusCode is System.Net.HttpStatusCode.NotFound or System.Net.HttpStatusCode.Conflict)
        {
            return false;
        }
    }

    private static async Task<DockerEngine> ConnectAsync()
    {
        var host = Host;
        if (!host.StartsWith("unix://", StringComparison.Ordinal))
        {
            throw new InvalidOperationException($"The tests drive a container engine on this machine; DOCKER_HOST is '{host}', not unix://….");
        }

        var client = new DockerClientBuilder().WithEndpoint(new Uri(host)).WithTimeout(TimeSpan.FromMinutes(2)).Build();
        try
        {
            await client.System.PingAsync();
        }
        catch (Exception e)
        {
            throw new InvalidOperationException($"No container engine answers at {host}: start one, or run the tests by ./plane test, which does.", e);
        }

        return new DockerEngine(host["unix://".Length..], client);
    }
}
