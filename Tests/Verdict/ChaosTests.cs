namespace Plane.Tests.Verdict;

/// <summary>Two short chaos runs with two controllers each, side by side in namespaces of their own. Nothing else runs meanwhile, since faults last as long as leases do.</summary>
[Collection(Name)]
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class ChaosTests(ChaosTests.Runs runs) : IClassFixture<ChaosTests.Runs>
{
    public const string Name = "chaos";

    [Fact]
    public Task An_installation_of_two_controllers_under_faults_breaks_no_rule() => runs.All;

    [Fact]
    public Task Controllers_whose_clocks_are_stepped_serve_on_and_come_back_once_their_clocks_are_right() => runs.Clocks;

    /// <summary>Both, begun together.</summary>
    public sealed class Runs : IAsyncLifetime
    {
        public Task All { get; private set; } = Task.CompletedTask;

        public Task Clocks { get; private set; } = Task.CompletedTask;

        public Task InitializeAsync()
        {
            All = ShortRun.BreaksNoRuleAsync("chaos", "--seed", "11", "--minutes", "1.3");
            Clocks = ShortRun.BreaksNoRuleAsync("chaos-clocks", "--seed", "21", "--minutes", "0.75", "--faults", "step-clock,kill-controller");
            return Task.CompletedTask;
        }

        // What failed is reported by its test.
        public async Task DisposeAsync() => await Task.WhenAll(All, Clocks).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }
}
