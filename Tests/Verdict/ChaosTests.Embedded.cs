using Xunit.Abstractions;

namespace Plane.Tests.Verdict;

/// <summary>A short chaos run. Alone: it is the one test that needs the machine for itself, since faults last as long as leases do.</summary>
[Collection(Name)]
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class ChaosTests(ITestOutputHelper output)
{
    public const string Name = "chaos";

    [Fact]
    public Task An_installation_under_faults_breaks_no_rule() => ShortRun.BreaksNoRuleAsync(["--seed", "11", "--minutes", "1", "--scale", "0.2"], output);
}
