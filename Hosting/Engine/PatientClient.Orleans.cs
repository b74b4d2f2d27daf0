using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans;
using Orleans.Runtime;

namespace Plane.Hosting;

/// <summary>
/// Orleans' client makes its host's start wait for its first connection, and until then a reference to a grain can't be made: it does not know the cluster's
/// grains yet. Here it connects beside the host's own work, and until it has, a call fails as any other to a controller that is away.
/// </summary>
internal sealed partial class PatientClient(IReadOnlyList<ServiceDescriptor> services, IServiceProvider provider, HostExit exit, ILogger<PatientClient> logger)
    : IHostedService, IAsyncDisposable
{
    private static readonly TimeSpan s_courtesy = TimeSpan.FromSeconds(1);

    private readonly CancellationTokenSource _stop = new();
    private IHostedService[] _inner = [];
    private Task _starting = Task.CompletedTask;
    private bool _disposed;

    /// <summary>Whether it was connected once: references can be made from then on.</summary>
    public bool IsConnected { get; private set; }

    // Where a gateway is there, whoever starts next finds the client connected; where none is, nobody waits for it.
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        _inner = [.. services.Select(s => (IHostedService)s.ImplementationFactory!(provider))];
        _starting = Task.Run(ConnectAsync, CancellationToken.None);
        await Task.WhenAny(_starting, Task.Delay(s_courtesy, TimeProvider.System, cancellationToken));
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        await _stop.CancelAsync();
        await _starting;
        foreach (var service in _inner.Reverse())
        {
            await service.StopAsync(cancellationToken);
        }
    }

    // Asked for by two services, disposed of by both.
    public async ValueTask DisposeAsync()
    {
        if (!Interlocked.Exchange(ref _disposed, true))
        {
            await _stop.CancelAsync();
            await _starting;
            _stop.Dispose();
        }
    }

    private async Task ConnectAsync()
    {
        try
        {
            foreach (var service in _inner)
            {
                await service.StartAsync(_stop.Token);
            }

            IsConnected = true;
        }
        catch (Exception e) when (_stop.IsCancellationRequested)
        {
            LogStopped(logger, e.Message);
        }
        catch (Exception e)
        {
            // Not that no gateway answers, which is waited for: something that no waiting mends.
            LogFailed(logger, e);
            exit.Request(ExitCodes.Refused, $"the cluster's client cannot start: {e.Message}");
        }
    }

    [LoggerMessage(7061, LogLevel.Debug, "stopped before a gateway answered: {Reason}")]
    private static partial void LogStopped(ILogger logger, string reason);

    [LoggerMessage(7062, LogLevel.Critical, "the cluster's client cannot start")]
    private static partial void LogFailed(ILogger logger, Exception exception);
}

/// <summary>The cluster's client as the host's services see it.</summary>
internal sealed class PatientClusterClient(IClusterClient inner, PatientClient connection, string clusterId) : IClusterClient
{
    public IServiceProvider ServiceProvider => inner.ServiceProvider;

    private IClusterClient Connected =>
        connection.IsConnected ? inner : throw new SiloUnavailableException($"no gateway of the cluster '{clusterId}' has answered yet; ask again");

    public TGrainInterface GetGrain<TGrainInterface>(Guid primaryKey, string? grainClassNamePrefix = null)
        where TGrainInterface : IGrainWithGuidKey => Connected.GetGrain<TGrainInterface>(primaryKey, grainClassNamePrefix);

    public TGrainInterface GetGrain<TGrainInterface>(long primaryKey, string? grainClassNamePrefix = null)
        where TGrainInterface : IGrainWithIntegerKey => Connected.GetGrain<TGrainInterface>(primaryKey, grainClassNamePrefix);

    public TGrainInterface GetGrain<TGrainInterface>(string primaryKey, string? grainClassNamePrefix = null)
        where TGrainInterface : IGrainWithStringKey => Connected.GetGrain<TGrainInterface>(primaryKey, grainClassNamePrefix);

    public TGrainInterface GetGrain<TGrainInterface>(Guid primaryKey, string keyExtension, string? grainClassNamePrefix = null)
        where TGrainInterface : IGrainWithGuidCompoundKey => Connected.GetGrain<TGrainInterface>(primaryKey, keyExtension, grainClassNamePrefix);

    public TGrainInterface GetGrain<TGrainInterface>(long primaryKey, string keyExtension, string? grainClassNamePrefix = null)
        where TGrainInterface : IGrainWithIntegerCompoundKey => Connected.GetGrain<TGrainInterface>(primaryKey, keyExtension, grainClassNamePrefix);

    public TGrainObserverInterface CreateObjectReference<TGrainObserverInterface>(IGrainObserver obj)
        where TGrainObserverInterface : IGrainObserver => Connected.CreateObjectReference<TGrainObserverInterface>(obj);

    public void DeleteObjectReference<TGrainObserverInterface>(IGrainObserver obj)
        where TGrainObserverInterface : IGrainObserver => Connected.DeleteObjectReference<TGrainObserverInterface>(obj);

    public IGrain GetGrain(Type grainInterfaceType, Guid grainPrimaryKey) => Connected.GetGrain(grainInterfaceType, grainPrimaryKey);

    public IGrain GetGrain(Type grainInterfaceType, long grainPrimaryKey) => Connected.GetGrain(grainInterfaceType, grainPrimaryKey);

    public IGrain GetGrain(Type grainInterfaceType, string grainPrimaryKey) => Connected.GetGrain(grainInterfaceType, grainPrimaryKey);

    public IGrain GetGrain(Type grainInterfaceType, Guid grainPrimaryKey, string keyExtension) => Connected.GetGrain(grainInterfaceType, grainPrimaryKey, keyExtension);

    public IGrain GetGrain(Type grainInterfaceType, long grainPrimaryKey, string keyExtension) => Connected.GetGrain(grainInterfaceType, grainPrimaryKey, keyExtension);

    public IAddressable GetGrain(Type interfaceType, IdSpan grainKey, string grainClassNamePrefix) => Connected.GetGrain(interfaceType, grainKey, grainClassNamePrefix);

    public IAddressable GetGrain(Type interfaceType, IdSpan grainKey) => Connected.GetGrain(interfaceType, grainKey);

    public TGrainInterface GetGrain<TGrainInterface>(GrainId grainId)
        where TGrainInterface : IAddressable => Connected.GetGrain<TGrainInterface>(grainId);

    public IAddressable GetGrain(GrainId grainId) => Connected.GetGrain(grainId);

    public IAddressable GetGrain(GrainId grainId, GrainInterfaceType interfaceType) => Connected.GetGrain(grainId, interfaceType);
}
