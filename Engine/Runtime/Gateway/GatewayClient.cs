using System.Net;
using System.Net.Sockets;
using System.Net.WebSockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Orleans.Calls;
using Orleans.Configuration;
using Orleans.Connections.Security;
using Orleans.Contract;
using Orleans.Messaging;
using Orleans.Runtime;

namespace Orleans.Gateway;

/// <summary>
/// A client: keeps one connection to one of its gateways and carries calls over it. The host's start never waits for it. A call made without a connection waits
/// for one until its response time-out; a call under way when the connection breaks fails at once, its outcome unknown.
/// </summary>
internal sealed partial class GatewayClient(
    IServiceProvider services,
    IOptions<EmbeddedEngineOptions> engine,
    IOptions<ClientMessagingOptions> messaging,
    IOptions<ClusterOptions> cluster,
    TimeProvider time,
    ILogger<GatewayClient> log,
    TlsOptions? tls = null) : ICallTransport, ICallOwner, IHostedService, IAsyncDisposable
{
    private static readonly TimeSpan FirstDelay = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan GoodConnection = TimeSpan.FromSeconds(1);

    private readonly CancellationTokenSource _stopping = new();
    private readonly Lock _gate = new();
    private readonly Repeats _failures = new(time);
    private TaskCompletionSource<ClientSession> _next = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile ClientSession? _session;
    private volatile string _why = "not started";
    private long _lastId;
    private int _disposed;
    private Task _running = Task.CompletedTask;

    /// <summary>The connection, or the next one.</summary>
    public Task Connected
    {
        get
        {
            lock (_gate)
            {
                return _next.Task;
            }
        }
    }

    public Task StartAsync(CancellationToken cancellationToken)
    {
        ContractCatalog.Shared.Refresh();
        _why = "connecting";
        _running = Task.Run(RunAsync, CancellationToken.None);
        return Task.CompletedTask;
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        await _stopping.CancelAsync();
        _session?.End("the client stops");
        await _running;
        GiveUp("the client has stopped");
    }

    public async ValueTask DisposeAsync()
    {
        // The container knows this object under three services, and disposes of it as often.
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
        {
            return;
        }

        await StopAsync(CancellationToken.None);
        _stopping.Dispose();
    }

    public Task<T> CallAsync<T>(MethodModel<T> method, string key, object?[] arguments, CancellationToken cancellation)
    {
        if (cancellation.IsCancellationRequested)
        {
            return Task.FromCanceled<T>(cancellation);
        }

        var call = new ClientCall<T>(
            new PendingCall<T>(method, key, method.ResponseTimeout ?? messaging.Value.ResponseTimeout, cancellation), method.IsOneWay ? 0 : Interlocked.Increment(ref _lastId));
        FrameBuffer frame;
        try
        {
            // Now, not when there is a connection: the caller may change what it passed.
            frame = call.Write(arguments);
        }
        catch (Exception e) when (e is FrameTooLargeException || ExceptionWire.IsBadMessage(e))
        {
            return Task.FromException<T>(new OrleansMessageRejectionException($"the arguments of {method} can't travel: {e.Message}", e));
        }

        call.Pending.Owner = this;
        call.Pending.Arm(time);
        var sending = SendAsync(call, frame);
        if (!sending.IsCompleted)
        {
            // It ends with the call at the latest, and never fails: SendAsync turns what goes wrong into the call's failure.
            call.Sending = sending;
        }

        if (method.IsOneWay)
        {
            // What becomes of a one-way call is nobody's business but the log's.
            call.Task.ContinueWith(t => LogOneWayFailed(log, Told.Unforeseen(t.Exception!.InnerException!), method, t.Exception!.InnerException!.Message), CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
            return Task.FromResult(default(T)!);
        }

        return call.Task;
    }

    public void Abandoned(PendingCall call, bool cancelled)
    {
        if (call.Tag is ClientCall { Session: { } session } sent)
        {
            session.Forget(sent.Id, tell: cancelled || messaging.Value.CancelRequestOnTimeout);
        }
    }

    public string Circumstances(PendingCall call) => _session is null ? $": no connection to a silo: {_why}" : "";

    private async Task SendAsync(ClientCall call, FrameBuffer frame)
    {
        try
        {
            while (!call.Untyped.IsDone)
            {
                var session = _session ?? await WaitForSessionAsync(call);
                if (session is null)
                {
                    break;
                }

                if (session.TryAdd(call))
                {
                    var sent = frame;
                    frame = null!;
                    await session.SendAsync(sent);
                    if (call.Id == 0)
                    {
                        call.CompleteOneWay();
                    }

                    return;
                }

                // It has ended, but may take a moment to close.
                await Task.WhenAny(session.Gone, call.Ended);
            }
        }
#pragma warning disable CA1031 // Whatever goes wrong on the way out is the call's failure.
        catch (Exception e)
#pragma warning restore CA1031
        {
            call.Untyped.Fail(e);
        }
        finally
        {
            frame?.Dispose();
        }
    }

    private async Task<ClientSession?> WaitForSessionAsync(ClientCall call)
    {
        Task<ClientSession> next;
        lock (_gate)
        {
            next = _next.Task;
        }

        await Task.WhenAny(next, call.Ended);
        return call.Untyped.IsDone ? null : await next;
    }

    private async Task RunAsync()
    {
        var provider = services.GetService<IGatewayListProvider>();
        try
        {
            if (provider is null)
            {
                throw new OrleansConfigurationException("the client has no gateways: use UseStaticClustering, UseLocalhostClustering or an IGatewayListProvider");
            }

            await InitializeAsync(provider);
            await ConnectForEverAsync(provider);
        }
        catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
        {
            GiveUp("the client has stopped");
        }
#pragma warning disable CA1031 // Said, and every call fails from now on with the reason.
        catch (Exception e)
#pragma warning restore CA1031
        {
            LogGaveUp(log, e);
            GiveUp("the client gave up: " + e.Message);
        }
    }

    private async Task ConnectForEverAsync(IGatewayListProvider provider)
    {
        var filter = services.GetService<IClientConnectionRetryFilter>();
        var delay = FirstDelay;
        var wasConnected = false;
        while (true)
        {
            var lasted = TimeSpan.Zero;
            Exception? failure = null;
            foreach (var gateway in await ShuffledAsync(provider))
            {
                _stopping.Token.ThrowIfCancellationRequested();
                var started = time.GetTimestamp();
                try
                {
                    await ServeAsync(gateway);
                    failure = null;
                    wasConnected = true;
                    lasted = time.GetElapsedTime(started);
                    break;
                }
#pragma warning disable CA1031 // Whatever it is: a client that gave up would leave its host alive and of no use to anybody.
                catch (Exception e) when (e is not OperationCanceledException || !_stopping.IsCancellationRequested)
#pragma warning restore CA1031
                {
                    failure = e is OperationCanceledException ? new TimeoutException($"no answer within {engine.Value.ConnectTimeout}") : e;
                    var reason = Explain(failure, gateway);
                    _why = $"{gateway.Host}:{gateway.Port}: {reason}";
                    if (_failures.IsNews(_why))
                    {
                        LogConnectFailed(log, gateway.Host, gateway.Port, reason);
                    }
                }
            }

            if (failure is not null && !wasConnected && filter is not null
                && !await filter.ShouldRetryConnectionAttempt(new SiloUnavailableException(_why, failure), _stopping.Token))
            {
                throw new SiloUnavailableException("the connection retry filter said no: " + _why, failure);
            }

            // Jitter, so that the clients of a silo that restarts don't come all at once. Only a connection that lasted starts the pauses anew.
            delay = lasted > GoodConnection ? FirstDelay : delay;
            await Task.Delay(delay * (0.5 + (Random.Shared.NextDouble() / 2)), time, _stopping.Token);
            delay = TimeSpan.FromTicks(Math.Min((delay * 2).Ticks, engine.Value.MaxReconnectDelay.Ticks));
        }
    }

    private async Task InitializeAsync(IGatewayListProvider provider)
    {
        var delay = FirstDelay;
        while (true)
        {
            try
            {
                await provider.InitializeGatewayListProvider();
                return;
            }
#pragma warning disable CA1031 // As with its gateways: what a provider asks may be away for now.
            catch (Exception e) when (!_stopping.IsCancellationRequested)
#pragma warning restore CA1031
            {
                _why = "the gateways are unknown: " + e.Message;
                if (_failures.IsNews(_why))
                {
                    LogNoGateways(log, e.Message);
                }
            }

            await Task.Delay(delay, time, _stopping.Token);
            delay = TimeSpan.FromTicks(Math.Min((delay * 2).Ticks, engine.Value.MaxReconnectDelay.Ticks));
        }
    }

    private async Task<Uri[]> ShuffledAsync(IGatewayListProvider provider)
    {
        Uri[] gateways;
        try
        {
            gateways = [.. await provider.GetGateways()];
        }
#pragma warning disable CA1031 // A provider asks DNS or a database: what fails there is tried again like a connection.
        catch (Exception e) when (!_stopping.IsCancellationRequested)
#pragma warning restore CA1031
        {
            _why = "the gateways are unknown: " + e.Message;
            if (_failures.IsNews(_why))
            {
                LogNoGateways(log, e.Message);
            }

            return [];
        }

        if (gateways.Length == 0)
        {
            _why = "there is no gateway";
            if (_failures.IsNews(_why))
            {
                LogNoGateways(log, _why);
            }
        }

        Random.Shared.Shuffle(gateways);
        return gateways;
    }

    /// <summary>What an operator can act on: the web socket itself says only that it could not connect.</summary>
    private static string Explain(Exception failure, Uri gateway) => failure is WebSocketException ? failure.GetBaseException() switch
    {
        SocketException { SocketErrorCode: SocketError.HostNotFound or SocketError.TryAgain or SocketError.NoData } => $"{gateway.Host} cannot be resolved",
        SocketException { SocketErrorCode: SocketError.ConnectionRefused } => "connection refused",
        var cause => cause.Message,
    }
    : failure.Message;

    /// <summary>Connects, serves until the connection ends, and returns; throws if it can't connect.</summary>
    private async Task ServeAsync(Uri gateway)
    {
        using var socket = new ClientWebSocket();
        socket.Options.KeepAliveInterval = TimeSpan.Zero;
        socket.Options.Proxy = null;
        socket.Options.CollectHttpResponseDetails = true;
        ConfigureTls(socket.Options);
        using (var patience = new CancellationTokenSource(engine.Value.ConnectTimeout, time))
        using (var either = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, _stopping.Token))
        {
            var uri = new UriBuilder(tls is null ? "ws" : "wss", gateway.Host, gateway.Port, Wire.Path).Uri;
            try
            {
                await socket.ConnectAsync(uri, either.Token);
            }
            catch (WebSocketException e) when (socket.HttpStatusCode != 0)
            {
                throw new SiloUnavailableException(
                    socket.HttpStatusCode == HttpStatusCode.ServiceUnavailable
                        ? "it serves no client at the moment: it has lost its database, starts or stops, or has too many"
                        : $"it answered {(int)socket.HttpStatusCode}, as no gateway does",
                    e);
            }

            await Handshake.AsClientAsync(socket, engine.Value, cluster.Value, either.Token);
        }

        await using var wire = new WireConnection(socket, engine.Value, time);
        var session = new ClientSession(wire);
        lock (_gate)
        {
            _session = session;
            _next.TrySetResult(session);
        }

        _failures.Clear();
        LogConnected(log, gateway.Host, gateway.Port);
        if (_stopping.IsCancellationRequested)
        {
            session.End("the client stops");
        }

        var reason = "the connection failed";
        try
        {
            reason = (await session.RunAsync()).Message;
        }
        finally
        {
            _why = reason;
            lock (_gate)
            {
                _session = null;
                _next = new(TaskCreationOptions.RunContinuationsAsynchronously);
            }

            session.FailAll(reason);
        }

        if (!_stopping.IsCancellationRequested)
        {
            LogDisconnected(log, gateway.Host, gateway.Port, reason);
        }
    }

    private void ConfigureTls(ClientWebSocketOptions options)
    {
        if (tls is null)
        {
            return;
        }

        if (tls.LocalCertificate is { } certificate && tls.ClientCertificateMode != RemoteCertificateMode.NoCertificate)
        {
            options.ClientCertificates.Add(certificate);
        }

        if (tls.RemoteCertificateValidation is { } validate)
        {
            options.RemoteCertificateValidationCallback = (_, shown, chain, errors) =>
                shown is System.Security.Cryptography.X509Certificates.X509Certificate2 c && validate(c, chain, errors);
        }
    }

    /// <summary>No connection will come any more.</summary>
    private void GiveUp(string reason)
    {
        _why = reason;
        TaskCompletionSource<ClientSession> next;
        lock (_gate)
        {
            if (_session is not null)
            {
                return;
            }

            next = _next;
        }

        if (next.TrySetException(new SiloUnavailableException(reason)))
        {
            // Read, so that a client without calls doesn't end as an unobserved failure.
            _ = next.Task.Exception;
        }
    }

    [LoggerMessage(7040, LogLevel.Information, "connected to {Host}:{Port}")]
    private static partial void LogConnected(ILogger logger, string host, int port);

    [LoggerMessage(7041, LogLevel.Warning, "lost the connection to {Host}:{Port}: {Reason}")]
    private static partial void LogDisconnected(ILogger logger, string host, int port, string reason);

    [LoggerMessage(7042, LogLevel.Warning, "could not connect to {Host}:{Port}, trying again: {Reason}")]
    private static partial void LogConnectFailed(ILogger logger, string host, int port, string reason);

    [LoggerMessage(7043, LogLevel.Critical, "the cluster client gave up; every call fails")]
    private static partial void LogGaveUp(ILogger logger, Exception e);

    [LoggerMessage(7044, LogLevel.Warning, "no gateways: {Reason}")]
    private static partial void LogNoGateways(ILogger logger, string reason);

    [LoggerMessage(7045, LogLevel.Warning, "the one-way call {Method} was not sent: {Reason}")]
    private static partial void LogOneWayFailed(ILogger logger, Exception? e, MethodModel method, string reason);
}
