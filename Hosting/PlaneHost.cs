using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Plane.Hosting.Logging;
using Plane.Hosting.Ready;
using Plane.Hosting.Running;

namespace Plane.Hosting;

/// <summary>
/// Makes the builders that every role starts from. They read nothing from outside (no environment, no settings file, no signal): several roles live in one
/// process in <c>plane up</c>, and what configures one must not reach the other. Configuration comes in by options, signals by <see cref="HostProgram"/>.
/// </summary>
public static class PlaneHost
{
    /// <summary>A builder for a role without HTTP.</summary>
    /// <param name="role">The role, as <c>drone</c>.</param>
    public static HostApplicationBuilder CreateBuilder(string role)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings
        {
            ApplicationName = "plane-" + role,
            EnvironmentName = Environments.Production,
            DisableDefaults = true,
        });
        AddDefaults(builder);
        return builder;
    }

    /// <summary>A builder for a role that serves HTTP: Kestrel and routing, no listener yet.</summary>
    /// <param name="role">The role, as <c>controller</c>.</param>
    public static WebApplicationBuilder CreateWebBuilder(string role)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions
        {
            ApplicationName = "plane-" + role,
            EnvironmentName = Environments.Production,
        });
        builder.WebHost.UseKestrelCore();
        builder.Services.AddRouting();
        AddDefaults(builder);
        return builder;
    }

    private static void AddDefaults(IHostApplicationBuilder builder)
    {
        builder.AddPlaneLogging(new HostingOptions());
        builder.Services.TryAddSingleton(TimeProvider.System);
        builder.Services.TryAddSingleton<IReadyLine>(new ReadyLine(Console.Out));
        builder.Services.AddSingleton<IHostLifetime, DetachedLifetime>();
        builder.Services.TryAddSingleton<HostExit>();
        builder.Services.Configure<HostOptions>(o =>
        {
            o.BackgroundServiceExceptionBehavior = BackgroundServiceExceptionBehavior.StopHost;
            o.ShutdownTimeout = TimeSpan.FromSeconds(30);
        });
    }

    /// <summary>The lifetime of a host within another one or a test: the platform's would take the process's signals.</summary>
    private sealed class DetachedLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
