using Plane.Storage;
using Plane.Testing;

namespace Plane.Tests.Storage;

/// <summary>What becomes of an outage whose probe fails in a way that was not foreseen.</summary>
public sealed class StoreOutageTests : IDisposable
{
    private readonly CollectingLogger _log = new();

    public void Dispose() => _log.Dispose();

    [Fact]
    public async Task A_probe_that_throws_is_logged_and_repeated_until_the_database_serves()
    {
        var isBroken = true;
        await using var outage = new StoreOutage(
            _ => Volatile.Read(ref isBroken) ? throw new InvalidDataException("a defect") : Task.FromResult<StoreFault?>(null), TimeProvider.System, _log);
        outage.Suspect();
        await Eventually.SeenAsync(() => outage.Current, fault => fault is { IsTotal: false }, "the outage is known");
        Assert.Contains(_log.Lines, l => l.StartsWith("Error 2246", StringComparison.Ordinal) && l.Contains("a defect", StringComparison.Ordinal));

        Volatile.Write(ref isBroken, false);
        await Eventually.SeenAsync(() => outage.Current, fault => fault is null, "it is over");
        Assert.Contains(_log.Lines, l => l.StartsWith("Information 2241", StringComparison.Ordinal));
    }
}
