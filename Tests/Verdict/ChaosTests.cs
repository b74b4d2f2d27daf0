namespace Plane.Tests.Verdict;

/// <summary>Two short chaos runs with two controllers each, one after the other, in namespaces of their own. Nothing else runs meanwhile, since faults last as long as leases do.</summary>
[Collection(Name)]
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class ChaosTests
{
    public const string Name = "chaos";

    [Fact]
    public Task An_installation_of_two_controllers_under_faults_breaks_no_rule() =>
        ShortRun.BreaksNoRuleAsync("chaos", "--seed", "11", "--minutes", "1.3");

    [Fact]
    public Task Controllers_whose_clocks_are_stepped_serve_on_and_come_back_once_their_clocks_are_right() =>
        ShortRun.BreaksNoRuleAsync("chaos-clocks", "--seed", "21", "--minutes", "0.75", "--faults", "step-clock,kill-controller");
}
