using System.Reflection;
using Microsoft.Extensions.Logging.Abstractions;
using Orleans;
using Plane.Dns;
using Plane.Dns.Server;
using Plane.Tests.Support;

namespace Plane.Tests.Dns;

public sealed class TxtSourceTests
{
    [Fact]
    public async Task Beyond_the_most_questions_to_the_controller_at_a_time_one_is_answered_without_asking()
    {
        var (client, controller) = Controller.Make();
        var source = new TxtSource(
            client, new DnsOptions { ControllerTimeout = TimeSpan.FromMinutes(5) }, TimeProvider.System, NullLogger<TxtSource>.Instance);
        var waiting = Enumerable.Range(0, TxtSource.MaxAsking).Select(i => source.ReadAsync(Name(i), default).AsTask()).ToArray();
        var beyond = source.ReadAsync(Name(TxtSource.MaxAsking), default);
        Assert.True(beyond.IsCompletedSuccessfully);
        Assert.Null(await beyond);
        Assert.Equal(TxtSource.MaxAsking, controller.Asked);

        // A name that is asked for already joins, and with the answers there is room again.
        var joining = source.ReadAsync(Name(0), default);
        controller.Answer.SetResult(["v"]);
        Assert.All(await Eventually.EndsAsync(Task.WhenAll(waiting), "the answers"), v => Assert.Equal("v", Assert.Single(v!)));
        Assert.Equal("v", Assert.Single((await joining)!));
        Assert.Equal("v", Assert.Single((await source.ReadAsync(Name(TxtSource.MaxAsking), default))!));
    }

    private static ClusterName Name(int i) => ClusterName.Parse($"c{i}.example.com");

    /// <summary>A client whose every certificate grain answers by one task.</summary>
    public class Controller : DispatchProxy
    {
        private ICertificateGrain _grain = null!;
        private Controller? _counter;
        private int _asked;

        public TaskCompletionSource<string[]> Answer { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public int Asked => Volatile.Read(ref _asked);

        public static (IClusterClient Client, Controller Controller) Make()
        {
            var client = Create<IClusterClient, Controller>();
            var controller = (Controller)(object)client;
            controller._grain = Create<ICertificateGrain, Controller>();
            ((Controller)(object)controller._grain)._counter = controller;
            return (client, controller);
        }

        protected override object? Invoke(MethodInfo? targetMethod, object?[]? args)
        {
            switch (targetMethod!.Name)
            {
                case nameof(IGrainFactory.GetGrain):
                    return _grain;
                case nameof(ICertificateGrain.ReadTxt):
                    Interlocked.Increment(ref _counter!._asked);
                    return _counter.Answer.Task;
                default:
                    throw new NotSupportedException(targetMethod.Name);
            }
        }
    }
}
