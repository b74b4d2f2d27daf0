using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Plane.Silo.Dashboard.Access;
using Plane.Silo.Dashboard.Pages;
using Plane.Silo.Http.Access;

namespace Plane.Silo.Dashboard;

/// <summary>Logging in with the control token, and out.</summary>
internal static class LoginHandlers
{
    public static IResult AskAsync(HttpContext http, [FromServices] ControlToken token) =>
        token.IsConfigured ? Ask(http, http.Request.Query["to"], isRefused: false) : To(http, "/");

    public static async Task<IResult> LogInAsync(HttpContext http, [FromServices] ControlToken token)
    {
        if (!await DashboardAccess.IsOwnFormAsync(http))
        {
            return PageFactory.Message(
                http, "This form is out of date", "It was not made for this browser. Load the page again and repeat it.", StatusCodes.Status400BadRequest);
        }

        var form = await http.Request.ReadFormAsync(http.RequestAborted);
        if (form["token"] is not [{ Length: > 0 and <= 1024 } given] || !token.Is(given))
        {
            var page = Ask(http, form["to"], isRefused: true);
            page.StatusCode = StatusCodes.Status403Forbidden;
            return page;
        }

        await DashboardAccess.LogInAsync(http);
        return To(http, Local(form["to"]));
    }

    public static async Task<IResult> LogOutAsync(HttpContext http, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        await http.SignOutAsync(DashboardAccess.Cookie);
        return To(http, "/login");
    }

    private static Microsoft.AspNetCore.Http.HttpResults.RazorComponentResult<LoginPage> Ask(HttpContext http, string? to, bool isRefused) =>
        PageFactory.Page<LoginPage>(http, "Log in", "", ("To", Local(to)), ("IsRefused", isRefused));

    // A path of this server alone: //host and /\host are other servers to a browser.
    private static string Local(string? to) =>
        to is ['/', ..] and not ['/', '/' or '\\', ..] && to.Length <= 2_000 && !to.Any(char.IsControl) ? to : "/";

    private static Microsoft.AspNetCore.Http.HttpResults.StatusCodeHttpResult To(HttpContext http, string page)
    {
        http.Response.Headers.Location = page;
        return TypedResults.StatusCode(StatusCodes.Status303SeeOther);
    }
}
