using Xunit.Abstractions;

namespace Plane.Tests.Verdict;

/// <summary>A short chaos run with two controllers. Alone, since faults last as long as leases do.</summary>
[Collection(Name)]
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class ChaosTests(ITestOutputHelper output)
{
    public const string Name = "chaos";

    [Fact]
    public Task An_installation_of_two_controllers_under_faults_breaks_no_rule() => ShortRun.BreaksNoRuleAsync(["--seed", "11", "--minutes", "1.3"], output);

    [Fact]
    public Task A_controller_comes_back_though_clocks_are_off_by_an_hour() =>
        ShortRun.BreaksNoRuleAsync(["--seed", "21", "--minutes", "0.75", "--faults", "step-clock,kill-controller"], output);
}
