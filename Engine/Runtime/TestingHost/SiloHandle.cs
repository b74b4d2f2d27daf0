using System.Net;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Orleans.Hosting;
using Orleans.Runtime;

namespace Orleans.TestingHost
{
    /// <summary>A silo of a test cluster.</summary>
    public abstract class SiloHandle : IDisposable, IAsyncDisposable
    {
        /// <summary>The silo's name.</summary>
        public string Name { get; set; } = "";

        /// <summary>The number of the silo.</summary>
        public short InstanceNumber { get; set; }

        /// <summary>The silo's address.</summary>
        public SiloAddress SiloAddress { get; set; } = null!;

        /// <summary>The address of its gateway.</summary>
        public SiloAddress GatewayAddress { get; set; } = null!;

        /// <summary>Whether it runs.</summary>
        public abstract bool IsActive { get; }

        /// <summary>Stops the silo.</summary>
        /// <param name="stopGracefully">Whether grains are deactivated first.</param>
        public abstract Task StopSiloAsync(bool stopGracefully);

        /// <summary>Stops the silo.</summary>
        /// <param name="ct">Cuts the stop short.</param>
        public abstract Task StopSiloAsync(CancellationToken ct);

        /// <inheritdoc/>
        public abstract ValueTask DisposeAsync();

        /// <inheritdoc/>
        public void Dispose()
        {
            DisposeAsync().AsTask().GetAwaiter().GetResult();
            GC.SuppressFinalize(this);
        }

        /// <inheritdoc/>
        public override string ToString() => SiloAddress.ToString();
    }

    /// <summary>A silo in the test's own process.</summary>
    public class InProcessSiloHandle : SiloHandle
    {
        private bool _isActive = true;

        /// <summary>The silo's host.</summary>
        public IHost SiloHost { get; init; } = null!;

        /// <summary>The services of the silo's host.</summary>
        public IServiceProvider ServiceProvider => SiloHost.Services;

        /// <inheritdoc/>
        public override bool IsActive => _isActive;

        /// <inheritdoc/>
        public override async Task StopSiloAsync(bool stopGracefully)
        {
            using var patience = new CancellationTokenSource(stopGracefully ? TimeSpan.FromMinutes(1) : TimeSpan.Zero);
            if (!stopGracefully)
            {
                await patience.CancelAsync();
            }

            await StopSiloAsync(patience.Token);
        }

        /// <inheritdoc/>
        public override async Task StopSiloAsync(CancellationToken ct)
        {
            if (!_isActive)
            {
                return;
            }

            _isActive = false;
            try
            {
                // The host asks the token before it asks its services, so a kill must reach the silo past it.
                if (ct.IsCancellationRequested)
                {
                    await SiloHost.Services.GetRequiredService<SiloService>().StopAsync(ct);
                }

                await SiloHost.StopAsync(ct);
            }
            catch (OperationCanceledException) when (ct.IsCancellationRequested)
            {
                // A kill is a stop without time.
                return;
            }
        }

        /// <inheritdoc/>
        public override async ValueTask DisposeAsync()
        {
            await StopSiloAsync(stopGracefully: true);
            if (SiloHost is IAsyncDisposable asynchronous)
            {
                await asynchronous.DisposeAsync();
            }

            GC.SuppressFinalize(this);
        }
    }
}

namespace Orleans.Runtime
{
    /// <summary>The address of a silo, and which of its lives is meant.</summary>
    public sealed class SiloAddress : IEquatable<SiloAddress>
    {
        private SiloAddress(IPEndPoint endpoint, int generation)
        {
            Endpoint = endpoint;
            Generation = generation;
        }

        /// <summary>Where it listens.</summary>
        public IPEndPoint Endpoint { get; }

        /// <summary>Which of its lives.</summary>
        public int Generation { get; }

        /// <summary>An address.</summary>
        /// <param name="ep">Where it listens.</param>
        /// <param name="gen">Which of its lives.</param>
        public static SiloAddress New(IPEndPoint ep, int gen) => new(ep, gen);

        /// <inheritdoc/>
        public bool Equals(SiloAddress? other) => other is not null && Endpoint.Equals(other.Endpoint) && Generation == other.Generation;

        /// <inheritdoc/>
        public override bool Equals(object? obj) => Equals(obj as SiloAddress);

        /// <inheritdoc/>
        public override int GetHashCode() => HashCode.Combine(Endpoint, Generation);

        /// <inheritdoc/>
        public override string ToString() => $"S{Endpoint}:{Generation}";
    }
}
