using Plane.Storage;

namespace Plane.Tests.Storage;

/// <summary>A drone with room for everything, and keys that are acquired on it.</summary>
internal static class OneDrone
{
    private static readonly ClusterName s_cluster = ClusterName.Parse("example.com");
    private static readonly ControllerName s_controller = ControllerName.Parse("co-test");
    private static readonly DroneName s_drone = DroneName.Parse("dr-one");

    public static async Task<DroneSession> RegisterAsync(IPlaneStore store)
    {
        var reply = await store.RegisterDroneAsync(
            new DroneRegistration
            {
                Cluster = s_cluster,
                Name = s_drone,
                InstanceId = "i",
                BootId = "b",
                Reading = 1,
                Kinds = [ExecutorKind.Process],
                MaxBackends = 1_000,
                Version = "1",
            },
            s_controller,
            default);
        Assert.Equal(RegistrationOutcome.Accepted, reply.Outcome);
        return reply.Session!;
    }

    public static AcquireRequest Request(string key) => new()
    {
        Cluster = s_cluster,
        Drone = s_drone,
        Command = new ResolvedConnect
        {
            Key = new KeyConfig { Name = key },
            BackendId = BackendName.NewRandom(),
            Spawn = new SpawnConfig { Executable = new Executable { Command = ["x"] } },
            Token = BearerToken.NewRandom(),
            SecretToken = "secret",
        },
    };
}
