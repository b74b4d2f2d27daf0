namespace Plane.Tests.Silo;

/// <summary>One controller with one drone for all tests of a class; each uses keys of its own.</summary>
public sealed class ControllerFixture : IAsyncLifetime
{
    public Controller Controller { get; private set; } = null!;

    public DroneDouble Drone { get; private set; } = null!;

    public async Task InitializeAsync()
    {
        Controller = await Controller.StartAsync(o => o.StreamKeepAlive = TimeSpan.FromMilliseconds(200));
        Drone = await Controller.AddDroneAsync();
    }

    public async Task DisposeAsync() => await Controller.DisposeAsync();
}
