using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Plane.Client;
using Plane.Hosting.Configuration;

namespace Plane.Hosting.Cluster;

/// <summary>Adds a role's connection to the cluster.</summary>
public static class ClusterConnectionHosting
{
    private static readonly (string Property, string Flag)[] s_flags =
    [
        (nameof(ClusterClientOptions.Endpoints), "--gateway"),
        (nameof(ClusterClientOptions.ClusterId), "--cluster-id"),
        (nameof(ClusterClientOptions.ServiceId), "--service-id"),
        (nameof(GatewayTrust.CertificateFile), "--gateway-cert"),
        (nameof(GatewayTrust.KeyFile), "--gateway-key"),
        (nameof(GatewayTrust.AuthorityFile), "--gateway-ca"),
        (nameof(ClusterClientOptions.ResponseTimeout), "--response-timeout"),
        (nameof(ClusterClientOptions.MaxReconnectDelay), "--max-reconnect-delay"),
    ];

    /// <summary>
    /// Adds a <see cref="ClusterConnection"/> that connects beside the host's own work: the host starts, and serves, while no gateway answers.
    /// </summary>
    /// <param name="builder">The host's builder.</param>
    /// <param name="options">Where the cluster is.</param>
    /// <exception cref="OptionsValidationException">An option is invalid; the text names it.</exception>
    public static IHostApplicationBuilder AddPlaneClusterConnection(this IHostApplicationBuilder builder, ClusterClientOptions options)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(options);
        var rules = new OptionRules(typeof(ClusterClientOptions));
        rules.FlagAll(options.Problems());
        if (rules.Problems is not [])
        {
            throw new OptionsValidationException(nameof(ClusterClientOptions), typeof(ClusterClientOptions), rules.Problems);
        }


        // Each attempt to reach a gateway that isn't there is a warning of these, with a stack trace. The retry filter logs the reason, once and then rarely.
        foreach (var category in (ReadOnlySpan<string>)["Orleans.Runtime.Messaging.ConnectionManager", "Orleans.Messaging.GatewayManager"])
        {
            builder.Logging.AddFilter(category, LogLevel.Error);
        }

        builder.Services.TryAddSingleton(TimeProvider.System);
        builder.Services.AddSingleton(options);
        builder.Services.AddSingleton(services => new ClusterConnection(options.ClusterId, services.GetRequiredService<TimeProvider>()));
        builder.Services.AddHostedService<ClusterConnector>();
        return builder;
    }

    /// <summary>Takes what is wrong with the options of a connection, with the flags of the command line in place of the properties.</summary>
    /// <param name="rules">The rules.</param>
    /// <param name="problems">What is wrong.</param>
    public static void FlagAll(this OptionRules rules, IEnumerable<OptionProblem> problems)
    {
        ArgumentNullException.ThrowIfNull(rules);
        ArgumentNullException.ThrowIfNull(problems);
        foreach (var problem in problems)
        {
            var rule = s_flags.Aggregate(problem.Rule, (text, flag) => text.Replace(flag.Property, flag.Flag, StringComparison.Ordinal));
            rules.Flag(false, s_flags.First(f => f.Property == problem.Option).Flag, problem.Value, rule);
        }
    }
}
