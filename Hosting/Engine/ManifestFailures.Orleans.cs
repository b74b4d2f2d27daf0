using System.Net;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Orleans.Runtime;

namespace Plane.Hosting;

/// <summary>
/// Hears which gateways refuse what a client asks first: for the cluster's manifest, which makes it one. Orleans tells nobody but its log, where the gateway is a value beside the
/// text. Should another version of it write otherwise, nothing is heard.
/// </summary>
/// <param name="refused">Is called for each refusal, which is another thing than that no answer came.</param>
internal sealed class ManifestFailures(Action<IPEndPoint> refused) : ILoggerProvider, ILogger
{
    private const string Category = "Orleans.Runtime.ClientClusterManifestProvider";

    public ILogger CreateLogger(string categoryName) => categoryName == Category ? this : NullLogger.Instance;

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (exception is OrleansMessageRejectionException && state is IReadOnlyList<KeyValuePair<string, object?>> values)
        {
            foreach (var gateway in values.Select(v => v.Value).OfType<SiloAddress>())
            {
                refused(gateway.Endpoint);
            }
        }
    }

    public void Dispose()
    {
    }
}
