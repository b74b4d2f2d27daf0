using Microsoft.AspNetCore.Antiforgery;
using Microsoft.AspNetCore.Components;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.Extensions.DependencyInjection;
using Plane.Hosting;
using Plane.Silo.Dashboard.Access;
using Plane.Silo.Dashboard.Pages;

namespace Plane.Silo.Dashboard;

/// <summary>Makes pages.</summary>
internal static class PageFactory
{
    private const string NoticeParameter = "done";

    // What a page says of the action before it is one of these, so that no address makes a page say something else.
    private static readonly Dictionary<string, string> s_notices = new()
    {
        ["terminate"] = "The backend was asked to end. It has its grace period for that.",
        ["kill"] = "The backend is being killed.",
        ["revoke"] = "The tokens were revoked: connections made with them are cut.",
        ["revoke-none"] = "There was no such token: nothing was revoked.",
        ["prevent-renew"] = "Its key is not renewed any more: it ends within a lease.",
        ["drain"] = "The drone takes no new backends from now on.",
        ["undrain"] = "The drone takes new backends again.",
        ["unchanged"] = "Nothing changed: it already had this state.",
    };

    /// <summary>A page.</summary>
    public static RazorComponentResult<TPage> Page<TPage>(HttpContext http, string title, string section, params (string Name, object? Value)[] parameters)
        where TPage : IComponent
    {
        var values = parameters.ToDictionary(p => p.Name, p => p.Value);
        values["Frame"] = Frame(http, title, section);
        return new RazorComponentResult<TPage>(values);
    }

    /// <summary>A page that says something, and that the request failed.</summary>
    public static RazorComponentResult<MessagePage> Message(HttpContext http, string title, string text, int status)
    {
        var page = Page<MessagePage>(http, title, "none", ("Text", text));
        page.StatusCode = status;
        return page;
    }

    public static IResult NotFound(HttpContext http, string what) => Message(
        http, $"There is no such {what}", "It never existed, or it ended so long ago that it is no longer kept.", StatusCodes.Status404NotFound);

    /// <summary>Leads to a page after an action, which then says what became of it.</summary>
    public static IResult Done(HttpContext http, string page, string notice)
    {
        http.Response.Headers.Location = $"{page}?{NoticeParameter}={notice}";
        return TypedResults.StatusCode(StatusCodes.Status303SeeOther);
    }

    private static PageFrame Frame(HttpContext http, string title, string section)
    {
        var services = http.RequestServices;
        return new PageFrame(
            title,
            section,
            services.GetRequiredService<IAntiforgery>().GetAndStoreTokens(http).RequestToken ?? "",
            http.User.Identity is { IsAuthenticated: true, AuthenticationType: DashboardAccess.Cookie },
            services.GetRequiredService<Start.ControllerIdentity>().Name.Value,
            PlaneVersion.Current.Version,
            services.GetRequiredService<TimeProvider>().GetUtcNow(),
            http.Request.Query[NoticeParameter] is [{ } notice] && s_notices.TryGetValue(notice, out var text) ? text : null);
    }
}
