using System.Globalization;
using System.Net;

namespace Plane.Chaos.Parts;

/// <summary>A machine with a proxy: a network namespace behind a cable of its own.</summary>
internal sealed class Proxy(Folder folder, int number)
{
    private const int Port = 9090;

    public string Name { get; } = string.Create(CultureInfo.InvariantCulture, $"px-{number}");

    public NetworkLink NetworkLink { get; } = new(string.Create(CultureInfo.InvariantCulture, $"px-{number}"), 80, number);

    public Part Part { get; private set; } = null!;

    /// <summary>Where it listens.</summary>
    public IPEndPoint Address => new(NetworkLink.Address, Port);

    public void Install(Builds builds, string cluster, IReadOnlyList<string> toControllers) => Part = new Part(
        Name,
        Path.Combine(folder.Logs, $"{Name}.log"),
        () => [.. NetworkLink.Inside, Checkout.Dotnet, builds.For(Name), "proxy", .. toControllers, "--cluster", cluster, "--name", Name, "--host", NetworkLink.Far, "--port", $"{Port}"],
        new Dictionary<string, string>(),
        "ready proxy");
}
