using System.CommandLine;
using System.Text.Json;
using Plane.Cli.Output;
using Plane.Hosting.Configuration;
using Plane.Hosting;

namespace Plane.Cli.Operator;

/// <summary><c>plane service key</c>: the keys that the tokens of a service's visitors are checked with.</summary>
internal static class SigningKeyCommands
{
    private const int MaxFile = 16 * 1024;

    public static Command Create(OperatorContext context) => new("key", "Add, list and delete the keys that a service's signed tokens are checked with.")
    {
        Add(context),
        List(context),
        Delete(context),
    };

    private static Command Add(OperatorContext context)
    {
        var service = ServiceCommands.ServiceArgument();
        var kid = KidOption();
        var generate = new Option<bool>("--generate") { Description = "Draw a secret (HS256) and print it: it is not shown again." };
        var secret = new Option<FileInfo?>("--secret-file") { Description = "A file with a secret in base64url, 32 bytes or more (HS256).", HelpName = "FILE" };
        var publicKey = new Option<FileInfo?>("--public-key-file")
        {
            Description = "A file with a public key, in PEM or as a JWK (ES256, EdDSA).",
            HelpName = "FILE",
        };
        var alg = new Option<string?>("--alg") { Description = "ES256 or EdDSA, for --public-key-file.", HelpName = "ALG" };
        alg.AcceptOnlyFromAmong("HS256", "ES256", "EdDSA");
        var command = new Command("add", "Add a key. Several count at once, so that they can be exchanged without a break.") { service, kid, generate, secret, publicKey, alg };
        context.SetAction(command, async (parsed, client, printer, cancellationToken) =>
        {
            var (ofSecret, ofPublicKey, generates) = (parsed.GetValue(secret), parsed.GetValue(publicKey), parsed.GetValue(generate));
            if ((ofSecret is null ? 0 : 1) + (ofPublicKey is null ? 0 : 1) + (generates ? 1 : 0) != 1)
            {
                throw new UsageException("give one of --generate, --secret-file and --public-key-file");
            }

            var algorithm = AlgorithmOf(parsed.GetValue(alg), ofPublicKey is not null);
            var drawn = generates ? RandomText.Secret() : null;
            var request = new SigningKeyRequest
            {
                Kid = parsed.GetValue(kid)!,
                Alg = algorithm,
                Secret = drawn ?? (ofSecret is null ? null : ReadFile(ofSecret, "--secret-file")),
                PublicKey = ofPublicKey is null ? null : PublicKeyOf(ReadFile(ofPublicKey, "--public-key-file")),
            };
            var info = await client.AddSigningKeyAsync(parsed.GetValue(service), request, cancellationToken).ConfigureAwait(false);
            if (printer.IsJson)
            {
                printer.Json(new { kid = info.Kid, alg = info.Alg, created_at = info.CreatedAt, secret = drawn });
            }
            else
            {
                printer.Facts(("kid", info.Kid), ("alg", info.Alg.ToString()), ("secret", drawn));
            }

            return ExitCodes.Done;
        });
        return command;
    }

    private static Command List(OperatorContext context)
    {
        var service = ServiceCommands.ServiceArgument();
        var command = new Command("list", "List a service's keys, without what is secret in them.") { service };
        context.SetAction(command, async (parsed, client, printer, cancellationToken) =>
        {
            var list = await client.SigningKeysAsync(parsed.GetValue(service), cancellationToken).ConfigureAwait(false);
            if (printer.IsJson)
            {
                printer.Json(list);
            }
            else
            {
                printer.Table(
                    [new("kid"), new("alg"), new("created")],
                    [.. list.Keys.Select(k => new[] { k.Kid, k.Alg.ToString(), Printer.Time(k.CreatedAt) })],
                    "no keys");
            }

            return ExitCodes.Done;
        });
        return command;
    }

    private static Command Delete(OperatorContext context)
    {
        var service = ServiceCommands.ServiceArgument();
        var kid = KidOption();
        var command = new Command("delete", "Delete a key: tokens signed with it let no visitor in any more.") { service, kid };
        context.SetAction(command, async (parsed, client, printer, cancellationToken) => BackendCommands.Answer(
            printer, await client.DeleteSigningKeyAsync(parsed.GetValue(service), parsed.GetValue(kid)!, cancellationToken).ConfigureAwait(false), "deleted"));
        return command;
    }

    private static Option<string> KidOption() => new("--kid") { Description = "The name by which tokens say that they are signed with it.", HelpName = "KID", Required = true };

    private static SigningAlgorithm AlgorithmOf(string? text, bool isPublic) => (text, isPublic) switch
    {
        (null or "HS256", false) => SigningAlgorithm.HS256,
        ("ES256", true) => SigningAlgorithm.ES256,
        ("EdDSA", true) => SigningAlgorithm.EdDSA,
        (_, true) => throw new UsageException("--public-key-file needs --alg ES256 or --alg EdDSA"),
        _ => throw new UsageException($"--alg {text} needs --public-key-file"),
    };

    private static JsonText PublicKeyOf(string text) =>
        text.StartsWith('{') && JsonText.TryParse(text, out var jwk) ? jwk
        : JsonText.TryParse(JsonSerializer.Serialize(text), out var pem) ? pem
        : throw new UsageException("--public-key-file: must be a PEM text or a JWK object");

    private static string ReadFile(FileInfo file, string option)
    {
        try
        {
            return file.Length <= MaxFile ? File.ReadAllText(file.FullName).Trim() : throw new UsageException($"{option}: must have at most {MaxFile} bytes");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UsageException($"{option}: {e.Message}");
        }
    }
}
