using System.Diagnostics;
using System.Security.Cryptography.X509Certificates;
using System.Text.RegularExpressions;
using Plane.Client;
using Plane.Testing;
using PlaneCommand = Plane.Cli.Program;

namespace Plane.Tests.Deploy;

public sealed partial class DeployFilesTests
{
    [Fact]
    public void Every_command_line_in_the_files_is_one_that_plane_understands()
    {
        var root = PlaneCommand.Commands();
        var lines = DeployFiles.CommandLines.ToArray();
        Assert.True(lines.Length >= 20, $"only {lines.Length} command lines were found");
        foreach (var role in (string[])["controller", "drone", "proxy", "dns", "health"])
        {
            Assert.Contains(lines, l => l.Arguments[0] == role);
        }

        Assert.Empty(lines.SelectMany(l => root.Parse(l.Arguments).Errors.Select(e => $"{l.Where}: {string.Join(' ', l.Arguments)}: {e.Message}")));
    }

    [Fact]
    public void Every_variable_in_the_files_is_an_option()
    {
        var roles = PlaneCommand.Commands().Subcommands.ToDictionary(c => c.Name, c => c.Options.Select(o => Plain(o.Name)).ToHashSet());
        var found = 0;
        var wrong = new List<string>();
        foreach (var file in DeployFiles.All)
        {
            var role = UnitOf().Match(file) is { Success: true } unit ? unit.Groups[1].Value : null;
            foreach (Match variable in Variable().Matches(File.ReadAllText(file)))
            {
                found++;
                var option = Plain(variable.Groups[1].Value);
                if (!roles.Any(r => (role is null || r.Key == role) && r.Value.Contains(option)))
                {
                    wrong.Add($"{Path.GetFileName(file)}: {variable.Value}");
                }
            }
        }

        Assert.True(found > 8, $"only {found} variables were found");
        Assert.Empty(wrong);
    }

    [Fact]
    public void Units_are_sections_of_settings_and_say_what_a_role_needs()
    {
        foreach (var file in DeployFiles.Units)
        {
            var settings = new List<(string Section, string Name)>();
            var section = "";
            foreach (var line in File.ReadAllLines(file).Where(l => l.Length > 0 && !l.StartsWith('#')))
            {
                if (SectionLine().Match(line) is { Success: true } head)
                {
                    section = head.Groups[1].Value;
                }
                else
                {
                    var setting = SettingLine().Match(line);
                    Assert.True(setting.Success && section.Length > 0, $"{file}: {line}");
                    settings.Add((section, setting.Groups[1].Value));
                }
            }

            Assert.Contains(("Service", "ExecStart"), settings);
            Assert.Contains(("Service", "NoNewPrivileges"), settings);
            Assert.Contains(("Service", "ProtectSystem"), settings);
            Assert.Contains(("Install", "WantedBy"), settings);
        }
    }

    [Fact]
    public void A_unit_that_is_restarted_is_restarted_without_a_limit()
    {
        // systemd's own limit, five starts in ten seconds, would leave a guard dead beside its drone.
        foreach (var file in DeployFiles.Units)
        {
            var text = File.ReadAllText(file);
            Assert.Equal(text.Contains("\nRestart=", StringComparison.Ordinal), text.Contains("\nStartLimitIntervalSec=0\n", StringComparison.Ordinal));
        }
    }

    [Fact]
    public async Task What_else_lies_beside_the_secrets_stays_as_it_is_and_an_empty_secret_is_no_secret()
    {
        using var directory = new TempDirectory();
        await File.WriteAllTextAsync(directory["controller.env"], "PLANE__DB=postgres://db/plane\n");
        File.SetUnixFileMode(directory["controller.env"], UnixFileMode.UserRead | UnixFileMode.UserWrite);
        await File.WriteAllTextAsync(directory["ctrl-token"], "");
        var (code, lines) = await RunningProgram.RunAsync("bash", [Checkout.File("deploy/secrets.sh"), directory.Path]);
        Assert.True(code == 0, string.Join('\n', lines));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(directory["controller.env"]));
        Assert.Equal(UnixFileMode.UserRead, File.GetUnixFileMode(directory["gateway-ca.key"]));
        Assert.Equal(48, (await File.ReadAllTextAsync(directory["ctrl-token"])).Trim().Length);
        Assert.Equal(48, (await File.ReadAllTextAsync(directory["postgres-password"])).Trim().Length);
    }

    [Fact]
    public async Task The_secrets_that_the_script_makes_are_those_that_the_files_name_and_each_certificate_is_for_its_use()
    {
        using var directory = new TempDirectory();
        using (var script = Process.Start(new ProcessStartInfo("bash", [Checkout.File("deploy/secrets.sh"), directory.Path]) { RedirectStandardError = true })!)
        {
            var said = await script.StandardError.ReadToEndAsync();
            await script.WaitForExitAsync();
            Assert.True(script.ExitCode == 0, said);
        }

        var named = SecretFile().Matches(File.ReadAllText(Checkout.File("deploy/compose.yaml"))).Select(m => m.Groups[1].Value).ToArray();
        Assert.NotEmpty(named);
        Assert.All(named, n => Assert.True(File.Exists(Path.Combine(directory.Path, n)), n));

        var trust = new GatewayTrust { AuthorityFile = Path.Combine(directory.Path, "gateway-ca.crt") };
        Assert.Equal((true, true), Uses("controller"));
        Assert.Equal((false, true), Uses("drone"));

        (bool OfServer, bool OfClient) Uses(string name)
        {
            using var certificate = X509Certificate2.CreateFromPemFile(Path.Combine(directory.Path, name + ".crt"), Path.Combine(directory.Path, name + ".key"));
            return (trust.IsSigned(certificate, null, ofServer: true), trust.IsSigned(certificate, null, ofServer: false));
        }
    }

    private static string Plain(string name) => name.Replace("-", "", StringComparison.Ordinal).Replace("_", "", StringComparison.Ordinal).ToUpperInvariant();

    [GeneratedRegex("plane-([a-z]+)\\.service$")]
    private static partial Regex UnitOf();

    [GeneratedRegex("PLANE__([A-Z_]+)")]
    private static partial Regex Variable();

    [GeneratedRegex("^\\[([A-Z][a-z]+)\\]$")]
    private static partial Regex SectionLine();

    [GeneratedRegex("^([A-Z][A-Za-z0-9]+)=")]
    private static partial Regex SettingLine();

    [GeneratedRegex("file: \\./secrets/([^}]+)}")]
    private static partial Regex SecretFile();
}
