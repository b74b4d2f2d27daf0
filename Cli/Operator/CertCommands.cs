using System.CommandLine;
using System.Globalization;
using Plane.Cli.Output;
using Plane.Hosting.Configuration;
using Plane.Hosting;
using Plane.ProxyHost;
using Plane.ProxyHost.Certificates;
using Plane.ProxyHost.Tls;

namespace Plane.Cli.Operator;

/// <summary><c>plane cert …</c>: a proxy's certificate, on the proxy's machine. The private key stays there, so none of these goes through the controller.</summary>
internal static class CertCommands
{
    public static Command Create() => new("cert", "A proxy's certificate, on the proxy's machine.")
    {
        Show(),
        Renew(),
        Import(),
        Revoke(),
        ChangeAccountKey(),
    };

    private static Command Show()
    {
        var flags = new Flags();
        var files = new Files(required: false);
        var command = files.AddTo(flags.AddTo(new Command("show", "Print what the certificate says and whether it can be served: exit code 0 yes, 1 no.")));
        flags.SetAction(command, (parsed, directory, printer, _) =>
        {
            var facts = parsed.GetValue(files.Certificate) is { } certificate
                ? directory.Show(certificate.FullName, parsed.GetValue(files.Key)?.FullName, parsed.GetValue(files.Password)?.FullName)
                : directory.Show();
            Print(printer, facts);
            return Task.FromResult(facts.Problem is null ? ExitCodes.Done : ExitCodes.Refused);
        });
        return command;
    }

    private static Command Renew()
    {
        var flags = new Flags();
        var command = flags.AddTo(new Command("renew", "Have the running proxy order a certificate now."));
        flags.SetAction(command, (_, directory, printer, _) =>
        {
            directory.Renew();
            printer.Note("The proxy orders a certificate when it next looks (--cert-check-every, 10 s by default), and keeps the present one if it can't.");
            return Task.FromResult(ExitCodes.Done);
        });
        return command;
    }

    private static Command Import()
    {
        var flags = new Flags();
        var files = new Files(required: true);
        var command = files.AddTo(flags.AddTo(new Command(
            "import", "Put a certificate from files in place of the stored one; the running proxy serves it, and renews it at its authority.")));
        flags.SetAction(command, (parsed, directory, printer, _) =>
        {
            Print(printer, directory.Import(
                parsed.GetValue(files.Certificate)!.FullName, parsed.GetValue(files.Key)?.FullName, parsed.GetValue(files.Password)?.FullName));
            return Task.FromResult(ExitCodes.Done);
        });
        return command;
    }

    private static Command Revoke()
    {
        var flags = new Flags();
        var authority = new Authority();
        var compromised = new Option<bool>("--key-compromised") { Description = "Others have the key. Without it, the certificate was replaced." };
        var command = authority.AddTo(flags.AddTo(new Command("revoke", "Revoke the stored certificate at its authority; the running proxy orders another.") { compromised }));
        flags.SetAction(command, async (parsed, directory, printer, cancellationToken) =>
        {
            await directory.RevokeAsync(authority.Options(parsed), parsed.GetValue(compromised) ? 1 : 4, cancellationToken).ConfigureAwait(false);
            printer.Note("Revoked. The proxy orders another certificate when it next looks.");
            return ExitCodes.Done;
        });
        return command;
    }

    private static Command ChangeAccountKey()
    {
        var flags = new Flags();
        var authority = new Authority();
        var command = authority.AddTo(flags.AddTo(new Command("change-account-key", "Give the account at the authority another key.")));
        flags.SetAction(command, async (parsed, directory, printer, cancellationToken) =>
        {
            await directory.ChangeAccountKeyAsync(authority.Options(parsed), cancellationToken).ConfigureAwait(false);
            printer.Note("The account has another key.");
            return ExitCodes.Done;
        });
        return command;
    }

    private static void Print(Printer printer, CertificateFacts facts)
    {
        if (printer.IsJson)
        {
            printer.Json(facts);
            return;
        }

        printer.Facts([
            ("names", string.Join(", ", facts.Names)),
            ("issuer", facts.Issuer),
            ("serial", facts.Serial),
            ("sha256", facts.Fingerprint),
            ("valid from", facts.NotBefore.ToString("u", CultureInfo.InvariantCulture)),
            ("valid until", facts.NotAfter.ToString("u", CultureInfo.InvariantCulture)),
            ("key", facts.Key),
            ("chain", string.Create(CultureInfo.InvariantCulture, $"{facts.ChainLength} certificates")),
            ("can be served", facts.Problem is null ? "yes" : "no: " + facts.Problem),
            .. facts.RenewalFailure is { } failure ? [("renewal", failure)] : Array.Empty<(string, string)>(),
        ]);
    }

    private sealed class Flags
    {
        private readonly Option<ClusterName?> _cluster = new("--cluster")
        {
            Description = "The cluster.",
            Required = true,
            CustomParser = CommandValues.Name<ClusterName>,
        };

        private readonly Option<DirectoryInfo> _directory = new("--cert-dir")
        {
            Description = "The proxy's directory of certificates.",
            DefaultValueFactory = _ => new DirectoryInfo(new ProxyOptions().CertDir),
        };

        private readonly Option<bool> _json = new("--json") { Description = "Print JSON." };

        public Command AddTo(Command command)
        {
            command.Options.Add(_cluster);
            command.Options.Add(_directory);
            command.Options.Add(_json);
            return command;
        }

        public void SetAction(Command command, Func<ParseResult, CertificateDirectory, Printer, CancellationToken, Task<int>> action) =>
            command.SetAction(async (parsed, cancellationToken) =>
            {
                var printer = new Printer(Console.Out, Console.Error, parsed.GetValue(_json), !Console.IsOutputRedirected);
                try
                {
                    var directory = new CertificateDirectory(parsed.GetValue(_directory)!.FullName, parsed.GetValue(_cluster)!.Value, TimeProvider.System);
                    return await action(parsed, directory, printer, cancellationToken).ConfigureAwait(false);
                }
                catch (CertificateProblemException e)
                {
                    printer.Problem(e.Message);
                    return ExitCodes.Refused;
                }
                catch (UsageException e)
                {
                    printer.Problem(e.Message);
                    return ExitCodes.Usage;
                }
            });
    }

    private sealed class Files(bool required)
    {
        public Option<FileInfo?> Certificate { get; } = new("--cert") { Description = "A file with the certificate chain: PEM, or PKCS #12.", Required = required };

        public Option<FileInfo?> Key { get; } = new("--key") { Description = "A file with its private key, PEM." };

        public Option<FileInfo?> Password { get; } = new("--cert-password-file") { Description = "A file with the password of the key." };

        public Command AddTo(Command command)
        {
            command.Options.Add(Certificate);
            command.Options.Add(Key);
            command.Options.Add(Password);
            return command;
        }
    }

    private sealed class Authority
    {
        private readonly Option<Uri?> _directory = new("--acme-directory")
        {
            Description = "The authority's directory, as the proxy has it.",
            Required = true,
            CustomParser = CommandValues.HttpUrl,
        };

        private readonly Option<FileInfo?> _caFile = new("--acme-ca-file") { Description = "The certificates that the authority's own HTTPS is checked against." };

        public Command AddTo(Command command)
        {
            command.Options.Add(_directory);
            command.Options.Add(_caFile);
            return command;
        }

        public AcmeOptions Options(ParseResult parsed)
        {
            var options = new AcmeOptions { Directory = parsed.GetValue(_directory), CaFile = parsed.GetValue(_caFile)?.FullName };
            return ProxyOptionsValidator.Problems(options) is [var problem, ..] ? throw new UsageException(problem) : options;
        }
    }
}
