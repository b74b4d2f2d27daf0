using System.Net;
using System.Text.Json.Nodes;
using Plane.Testing;

namespace Plane.Tests.Silo;

public sealed class SecretsTests
{
    [Fact]
    public async Task No_secret_reaches_the_log_at_any_level()
    {
        const string Control = "the-control-token-of-this-test";
        const string Password = "the-registry-password";
        const string Env = "the-value-of-a-variable";
        const string Auth = "what-the-application-knows";
        var directory = new TempDirectory();
        await File.WriteAllTextAsync(directory["token"], Control);
        await using var controller = await Controller.StartAsync(o => o.CtrlTokenFile = directory["token"], directory: directory);
        await controller.AddDroneAsync();
        var authorization = ("authorization", $"Bearer {Control}");

        var request = Requests.Connect("k");
        request["auth"] = new JsonObject { ["claim"] = Auth };
        request.Spawn()["executable"] = new JsonObject
        {
            ["image"] = "registry.example/app",
            ["env"] = new JsonObject { ["SECRET"] = Env },
            ["credentials"] = new JsonObject { ["username"] = "u", ["password"] = Password },
        };
        var first = (await controller.PostAsync("/ctrl/connect", request, authorization)).Expect(HttpStatusCode.OK).Json!;
        var shared = Requests.Connect("static");
        shared.Spawn()["use_static_token"] = true;
        var second = (await controller.PostAsync("/ctrl/connect", shared, authorization)).Expect(HttpStatusCode.OK).Json!;

        // Refused in every way that could quote what was sent.
        await controller.PostAsync("/ctrl/connect", request.ToJsonString().Replace("\"u\"", "5", StringComparison.Ordinal), authorization);
        await controller.PostAsync("/ctrl/connect", request.ToJsonString()[..^5], authorization);
        await controller.PostAsync("/ctrl/connect", request, ("authorization", $"Bearer {Control}x"));
        await controller.PostAsync(
            "/ctrl/b/revoke",
            new JsonObject { ["backend_id"] = first["backend_id"]!.GetValue<string>(), ["token"] = first["token"]!.GetValue<string>() },
            authorization);
        await controller.PostAsync("/ctrl/b/revoke", new JsonObject { ["backend_id"] = "none", ["token"] = Text(second, "token") }, authorization);
        controller.Faults.Away();
        await controller.PostAsync("/ctrl/connect", request, authorization);
        controller.Faults.Instead = (_, _) => throw new InvalidOperationException("unforeseen");
        await controller.PostAsync("/ctrl/connect", request, authorization);
        controller.Faults.Heal();

        var log = controller.Log.Text;
        Assert.Contains("unforeseen", log, StringComparison.Ordinal);
        foreach (var secret in (string[])[Control, Password, Env, Auth, Text(first, "token"), Text(first, "secret_token"), Text(second, "token")])
        {
            var at = log.IndexOf(secret, StringComparison.Ordinal);
            Assert.True(at < 0, at < 0 ? "" : log[Math.Max(0, at - 400)..Math.Min(log.Length, at + 100)]);
        }
    }

    private static string Text(JsonNode node, string field) => node[field]!.GetValue<string>();
}
