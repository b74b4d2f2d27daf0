using Microsoft.Extensions.Logging.Abstractions;
using Plane.Grains.Services;
using Plane.Storage;
using Plane.Storage.Sqlite;
using Plane.Testing;
using Plane.Tests.Proxy;

namespace Plane.Tests.Services;

public sealed class ServiceDirectoryTests
{
    [Fact]
    public async Task Services_that_another_controller_deleted_do_not_pile_up()
    {
        using var directory = new TempDirectory();
        await using var store = new SqliteStore(directory["plane.db"], new LeaseOptions(), NullLoggerFactory.Instance, TimeProvider.System, BootTimeClock.Instance);
        await store.InitializeAsync(default);
        var time = new ManualTime();
        var services = new ServiceDirectory(store, time);
        var config = new ServiceConfig { SpawnConfig = new SpawnConfig { Executable = new Executable { Image = "board" } }, Access = ServiceAccess.Public };
        async Task UseAsync(ServiceName name)
        {
            await store.PutServiceAsync(name, config, default);
            Assert.NotNull(await services.FindAsync(name, default));
        }

        ServiceName[] names = [.. Enumerable.Range(0, ServiceLimits.MaxServices).Select(i => ServiceName.Parse($"service-{i}"))];
        await Task.WhenAll(names.Select(UseAsync));
        await Task.WhenAll(names.Select(n => store.DeleteServiceAsync(n, false, default)));
        Assert.Equal(names.Length, services.Count);

        time.Advance(TimeSpan.FromSeconds(2));
        await UseAsync(ServiceName.Parse("last"));
        Assert.Equal(1, services.Count);
    }
}
