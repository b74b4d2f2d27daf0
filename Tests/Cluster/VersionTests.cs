using Microsoft.Extensions.DependencyInjection;
using Orleans;
using Orleans.Serialization;

namespace Plane.Tests.Cluster;

/// <summary>What two versions side by side depend on: a message reads where it has more, or less, than its reader knows.</summary>
public sealed class VersionTests
{
    [Fact]
    public void What_a_newer_version_adds_is_passed_over()
    {
        var sent = new NewerNumbers { RenewAfter = TimeSpan.FromSeconds(1), Hard = TimeSpan.FromSeconds(3), Note = "more", Steps = [new NewerStep { Text = "a" }, new NewerStep()] };
        Assert.Equal(new LeaseOptions { RenewAfter = sent.RenewAfter, Hard = sent.Hard }, Read<NewerNumbers, LeaseOptions>(sent));
    }

    [Fact]
    public void What_an_older_version_lacks_has_its_default()
    {
        var read = Read<LeaseOptions, NewerNumbers>(new LeaseOptions { RenewAfter = TimeSpan.FromSeconds(1) });
        Assert.Equal(TimeSpan.FromSeconds(1), read.RenewAfter);
        Assert.Equal("none", read.Note);
        Assert.Empty(read.Steps);
    }

    private static TRead Read<TSent, TRead>(TSent sent)
        where TRead : class
    {
        using var services = new ServiceCollection()
            .AddSerializer(s => s.AddAssembly(typeof(VersionTests).Assembly).AddAssembly(typeof(LeaseOptions).Assembly))
            .BuildServiceProvider();
        return services.GetRequiredService<Serializer<TRead>>().Deserialize(services.GetRequiredService<Serializer<TSent>>().SerializeToArray(sent))!;
    }
}

/// <summary><see cref="LeaseOptions"/> as a later version may have them: some of its members, and new ones of each kind.</summary>
[GenerateSerializer, Immutable, Alias("tests.NewerNumbers")]
public sealed record NewerNumbers
{
    [Id(0)]
    public TimeSpan RenewAfter { get; init; } = TimeSpan.FromSeconds(15);

    [Id(2)]
    public TimeSpan Hard { get; init; } = TimeSpan.FromSeconds(50);

    [Id(40)]
    public string Note { get; init; } = "none";

    [Id(41)]
    public NewerStep[] Steps { get; init; } = [];
}

[GenerateSerializer, Immutable, Alias("tests.NewerStep")]
public sealed record NewerStep
{
    [Id(0)]
    public string Text { get; init; } = "";
}
