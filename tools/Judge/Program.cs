using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Plane.Judge;

internal static class Program
{
    private static readonly TimeSpan Beat = TimeSpan.FromMilliseconds(50);

    private static async Task<int> Main()
    {
        // Before anything else: the life begins here.
        using var life = LifeFile.Open();
        var ending = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var term = PosixSignalRegistration.Create(PosixSignal.SIGTERM, context =>
        {
            context.Cancel = true;
            life.Write("signal");
            ending.TrySetResult();
        });

        // What it writes is of no use to anybody: the judgement is in its file.
        using var flood = new Flood();
        using var user = PosixSignalRegistration.Create((PosixSignal)Flood.Signal, context =>
        {
            context.Cancel = true;
            flood.Toggle();
        });

        using var pulse = TimeProvider.System.CreateTimer(_ => life.Write("alive"), null, Beat, Beat);
        var port = int.Parse(Environment.GetEnvironmentVariable("PORT") ?? "8080", CultureInfo.InvariantCulture);
        using var listener = new TcpListener(IPAddress.Any, port);
        listener.Start();
        var serving = new Visitors(life).ServeAsync(listener);
        if (await Task.WhenAny(ending.Task, serving) == serving)
        {
            await serving;
        }

        // Some take long to end: what still has to be written, for the room that another backend may not enter before it is.
        if (int.TryParse(Environment.GetEnvironmentVariable("JUDGE_STOP_MS"), CultureInfo.InvariantCulture, out var stop))
        {
            await Task.Delay(TimeSpan.FromMilliseconds(stop), TimeProvider.System);
        }

        return 0;
    }
}
