using System.Net;
using System.Runtime.InteropServices;

namespace Plane.TestBackend;

internal static class Program
{
    private static async Task<int> Main(string[] args)
    {
        var behaviour = Behaviour.Read(args);
        using var record = LifeRecord.Open(behaviour.RecordFile);
        var time = TimeProvider.System;
        var terminated = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        void OnSignal(PosixSignalContext context)
        {
            context.Cancel = true;
            Console.WriteLine(behaviour.IgnoresSigterm ? "signal ignored" : "signal");
            record?.Write("signal");
            if (!behaviour.IgnoresSigterm)
            {
                terminated.TrySetResult();
            }
        }

        using var term = PosixSignalRegistration.Create(PosixSignal.SIGTERM, OnSignal);
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, OnSignal);

        if (behaviour.ExitAtOnce is { } code)
        {
            Console.WriteLine($"exiting with {code}");
            return code;
        }

        if (behaviour.FloodLines != 0)
        {
            _ = Task.Factory.StartNew(() => Flood(behaviour.FloodLines), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        }

        await Task.WhenAny(terminated.Task, Task.Delay(behaviour.StartDelay, time));
        await using var app = behaviour.NeverListens || terminated.Task.IsCompleted ? null : Build(behaviour, time);
        if (app is not null)
        {
            await app.StartAsync();
        }

        Console.WriteLine(app is null ? "not listening" : $"listening on {behaviour.Port}");
        record?.Write("listening");

        if (behaviour.ExitAfter is { } after)
        {
            await Task.WhenAny(terminated.Task, Task.Delay(after, time));
        }
        else
        {
            await terminated.Task;
        }

        if (terminated.Task.IsCompleted)
        {
            await Task.Delay(behaviour.StopDelay, time);
        }

        Console.WriteLine("stopping");
        return behaviour.ExitCode;
    }

    private static WebApplication Build(Behaviour behaviour, TimeProvider time)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.Services.AddSingleton(time);
        // Signals are this program's own matter: a host that stopped by itself could not ignore them.
        builder.Services.AddSingleton<IHostLifetime, NullLifetime>();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.Listen(behaviour.BindAny ? IPAddress.Any : IPAddress.Loopback, behaviour.Port);
            kestrel.Limits.MaxRequestBodySize = null;
            kestrel.Limits.MinRequestBodyDataRate = null;
            kestrel.Limits.MinResponseDataRate = null;
        });
        var app = builder.Build();
        app.MapBackend(behaviour);
        return app;
    }

    private static void Flood(int lines)
    {
        for (var i = 0; lines < 0 || i < lines; i++)
        {
            Console.WriteLine($"flood {i,10} " + new string('x', 80));
        }
    }

    private sealed class NullLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
