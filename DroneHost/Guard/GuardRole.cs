using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using Plane.Hosting.Running;
using Plane.Hosting;

namespace Plane.DroneHost.Guard;

/// <summary>The guard as a host of its own.</summary>
public static class GuardRole
{
    /// <summary>Makes the host. Its start fails with a <see cref="StartRefusedException"/> where the run directory cannot be used or has a guard.</summary>
    /// <param name="options">How to run.</param>
    /// <param name="configure">Adds what the program wants besides: logging, another clock.</param>
    /// <exception cref="OptionsValidationException">An option cannot be used; the message names it.</exception>
    public static IHost Build(GuardOptions options, Action<IHostApplicationBuilder>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        new GuardOptionsValidator().Validated(options);
        var builder = PlaneHost.CreateBuilder("guard");
        builder.Services.AddSingleton(options);
        builder.Services.TryAddSingleton<ILeaseClock>(BootTimeClock.Instance);
        builder.Services.AddSingleton<ProcessReaper>();
        builder.Services.AddHostedService<GuardService>();
        configure?.Invoke(builder);
        return builder.Build();
    }

    /// <summary>
    /// For a guard that an agent starts, before anything is written: leaves the agent's session and its terminal, and writes to the run directory's log, so that neither a
    /// signal to the agent's group nor the end of a pipe reaches it.
    /// </summary>
    /// <param name="options">How to run.</param>
    public static void Detach(GuardOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (options.WithAgent && !string.IsNullOrWhiteSpace(options.RunDir))
        {
            Detachment.Enter(new RunDirectory(Path.GetFullPath(options.RunDir)).GuardLog);
        }
    }
}
