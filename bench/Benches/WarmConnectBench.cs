using System.Globalization;

namespace Plane.Bench.Benches;

/// <summary>
/// From a connect by a service that keeps warm backends to the first byte through the proxy, a container each time. Against <c>docker run</c> of the same image until its first byte, in
/// turns in the same run. And a hundred connects at once, of a pool of a hundred.
/// </summary>
internal sealed class WarmConnectBench : IBench
{
    private const int Pool = 2;
    private const int Samples = 100;
    private const int Burst = 100;

    public string Name => "warm-connect";

    public async Task RunAsync(BenchContext context, Report report)
    {
        await using var setting = await SpawnSetting.StartAsync();
        await setting.WarmAsync(Pool);
        var all = new List<double>();
        async Task<double> ClaimAsync()
        {
            // What a claim sets in motion, the start of another backend, is over before the next one is measured.
            var time = await setting.ClaimAsync();
            await setting.ClearAsync();
            await setting.FullAsync(Pool);
            all.Add(time);
            return time;
        }

        var measured = await context.InTurnsAsync(
            new Side("plane", () => MedianAsync(context, ClaimAsync)),
            new Side("docker run", () => MedianAsync(context, async () =>
            {
                var time = await setting.DockerRunAsync();
                await setting.ClearAsync();
                return time;
            })));
        report.Ratio("warm connect, to the first byte", "ms", measured[0], measured[1], 0.1, atLeast: false);
        while (all.Count < Samples)
        {
            await ClaimAsync();
        }

        var sorted = all.Order().ToList();
        var p99 = sorted[(int)Math.Ceiling(sorted.Count * 0.99) - 1];
        report.Value(
            "warm connect, to the first byte, p99",
            string.Create(CultureInfo.InvariantCulture, $"p50 {sorted[sorted.Count / 2]:F1} ms, p99 {p99:F1} ms, greatest {sorted[^1]:F1} ms of {sorted.Count}"),
            "–",
            p99,
            "ms",
            60);

        await setting.WarmAsync(Burst);
        var before = setting.ColdStarts;
        var begun = TimeProvider.System.GetTimestamp();
        var times = (await Task.WhenAll(Enumerable.Range(0, Burst).Select(_ => setting.ClaimAsync()))).Order().ToList();
        var seconds = TimeProvider.System.GetElapsedTime(begun).TotalSeconds;
        report.Value(
            $"warm connect, {Burst} at once of a pool of {Burst}: cold starts",
            string.Create(CultureInfo.InvariantCulture, $"all in {seconds:F2} s, p50 {times[Burst / 2]:F0} ms, greatest {times[^1]:F0} ms"),
            "–",
            setting.ColdStarts - before,
            "",
            0);
        await setting.DropServiceAsync();
        await setting.ClearAsync();
    }

    private static async Task<double> MedianAsync(BenchContext context, Func<Task<double>> once)
    {
        var times = new List<double>();
        var begun = TimeProvider.System.GetTimestamp();
        do
        {
            times.Add(await once());
        }
        while (TimeProvider.System.GetElapsedTime(begun) < context.Round);

        return times.Order().ElementAt(times.Count / 2);
    }
}
