using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Plane.Silo.Dashboard.Pages;
using Plane.Storage;

namespace Plane.Silo.Dashboard;

/// <summary>What operators do to backends and drones: each is asked on a page first, and done by that page's form.</summary>
internal static class ActionHandlers
{
    private static readonly Dictionary<string, string> s_none = [];

    public static async Task<IResult> AskAboutBackendAsync(
        HttpContext http, string backend, string action, [FromServices] IBackendStore store, CancellationToken cancellationToken)
    {
        if (!BackendName.TryParse(backend, out var name) || await store.ReadBackendAsync(name, cancellationToken) is not { } details)
        {
            return PageFactory.NotFound(http, "backend");
        }

        var key = Words.Key(details.Key);
        (string Question, string Consequence, string Button)? asked = action switch
        {
            "terminate" => ($"Terminate backend {name}?", $"It gets its stop signal and its grace period; the session of key {key} ends, and the key is free.", "Terminate"),
            "kill" => ($"Kill backend {name}?", $"It ends at once, without a chance to save anything. The session of key {key} ends, and the key is free.", "Kill"),
            "revoke" => ($"Revoke connection tokens of backend {name}?", "Open connections made with them are cut, and they can't be used again. The backend keeps running.", "Revoke"),
            "prevent-renew" => ($"Prevent the renewal of key {key}?", $"Backend {name} ends within a lease, about a minute. It can't be allowed again.", "Prevent renewal"),
            _ => null,
        };
        var page = $"/backends/{name}";
        return asked is var (question, consequence, button)
            ? PageFactory.Page<ConfirmPage>(http, button, "backends", ("Model", new ConfirmModel(question, consequence, $"{page}/{action}", button, page, s_none)))
            : PageFactory.NotFound(http, "page");
    }

    public static async Task<IResult> ActOnBackendAsync(
        HttpContext http, string backend, string action, [FromServices] IBackendStore backends, [FromServices] IKeyStore keys, [FromServices] IRouteStore routes, CancellationToken cancellationToken)
    {
        if (!BackendName.TryParse(backend, out var name))
        {
            return PageFactory.NotFound(http, "backend");
        }

        ChangeOutcome outcome;
        switch (action)
        {
            case "terminate":
                outcome = await backends.TerminateAsync(name, null, TerminationKind.Soft, TerminationReason.External, cancellationToken);
                break;
            case "kill":
                outcome = await backends.TerminateAsync(name, null, TerminationKind.Hard, TerminationReason.External, cancellationToken);
                break;
            case "prevent-renew":
                outcome = await keys.PreventRenewalAsync(name, cancellationToken);
                break;
            case "revoke":
                var user = (await http.Request.ReadFormAsync(cancellationToken))["user"].ToString();
                var scope = new RevokeScope { User = user.Length > 0 ? user : null };
                if (scope.Validate() is { } problem)
                {
                    return PageFactory.Message(http, "Nothing was revoked", problem.Message, StatusCodes.Status400BadRequest);
                }

                outcome = await routes.RevokeAsync(name, scope, cancellationToken);
                break;
            default:
                return PageFactory.NotFound(http, "page");
        }

        return outcome == ChangeOutcome.NotFound
            ? PageFactory.NotFound(http, "backend")
            : PageFactory.Done(http, $"/backends/{name}", outcome == ChangeOutcome.Changed ? action : action == "revoke" ? "revoke-none" : "unchanged");
    }

    public static IResult AskAboutDrone(HttpContext http, string cluster, string drone, string action)
    {
        if (!ClusterName.TryParse(cluster, out var inCluster) || !DroneName.TryParse(drone, out var name) || action is not ("drain" or "undrain"))
        {
            return PageFactory.NotFound(http, "page");
        }

        var page = $"/clusters/{inCluster}";
        var (question, consequence, button) = action == "drain"
            ? ($"Drain drone {name}?", "It takes no new backends. Its backends run until they end by themselves.", "Drain")
            : ($"Undrain drone {name}?", "It takes new backends again.", "Undrain");
        return PageFactory.Page<ConfirmPage>(
            http, button, "cluster", ("Model", new ConfirmModel(question, consequence, $"{page}/drones/{name}/{action}", button, page, s_none)));
    }

    public static async Task<IResult> ActOnDroneAsync(
        HttpContext http, string cluster, string drone, string action, [FromServices] IDroneStore store, CancellationToken cancellationToken)
    {
        if (!ClusterName.TryParse(cluster, out var inCluster) || !DroneName.TryParse(drone, out var name) || action is not ("drain" or "undrain"))
        {
            return PageFactory.NotFound(http, "page");
        }

        var ends = (await http.Request.ReadFormAsync(cancellationToken))["terminate"] == "true";
        var outcome = await store.SetDrainingAsync(inCluster, name, draining: action == "drain", terminate: action == "drain" && ends, cancellationToken);
        return outcome == ChangeOutcome.NotFound
            ? PageFactory.NotFound(http, "drone")
            : PageFactory.Done(http, $"/clusters/{inCluster}", outcome == ChangeOutcome.Changed ? action : "unchanged");
    }
}
