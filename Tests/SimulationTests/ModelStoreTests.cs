namespace Plane.Tests.SimulationTests;

/// <summary>The simulation's store is written by hand: the same operations on it and on a real store have the same answers.</summary>
public sealed class ModelStoreTests
{
    [Fact]
    public async Task Random_operations_have_the_same_answers_in_the_model_and_in_a_real_store()
    {
        var answers = new HashSet<string>();
        for (var seed = 1UL; seed <= 3; seed++)
        {
            await using var pair = await StorePair.OpenAsync(seed);
            for (var i = 0; i < 400; i++)
            {
                var (what, model, real) = await pair.NextAsync();
                pair.Done.Add($"{what}: {real}");
                Assert.True(model == real, $"seed {seed}: the model says {model} to {pair.Done[^1]}\n{string.Join('\n', pair.Done.TakeLast(40))}");
                answers.Add($"{what.Split(' ')[0]} {real.Split(' ')[0]}");
            }
        }

        // Each of these was compared at least once: without them the test would prove little.
        string[] wanted =
        [
            "acquire Acquired", "acquire Held", "acquire DroneUnfit", "acquire BackendIdTaken", "renew Renewed", "renew Expired", "renew Unknown", "renew Prevented",
            "issue Issued", "issue NotHeld", "apply Current:True", "apply Current:False", "apply Replaced:", "register 0", "register 1", "heartbeat Current",
            "heartbeat Replaced", "terminate Changed", "terminate Unchanged", "prevent Changed", "drain Changed", "drain Unchanged", "acknowledge Current",
            "claim Acquired", "claim Held", "claim NoneWarm",
        ];
        Assert.Empty(wanted.Except(answers));
    }
}
