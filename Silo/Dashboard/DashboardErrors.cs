using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Plane.Storage;

namespace Plane.Silo.Dashboard;

/// <summary>Shows a known failure as a page. An unexpected exception goes to the end of the pipeline, which logs it.</summary>
internal sealed class DashboardErrors : IEndpointFilter
{
    public async ValueTask<object?> InvokeAsync(EndpointFilterInvocationContext context, EndpointFilterDelegate next)
    {
        try
        {
            return await next(context);
        }
        catch (StoreUnavailableException e)
        {
            var store = context.HttpContext.RequestServices.GetRequiredService<IStore>();
            return PageFactory.Message(context.HttpContext, "The database is unavailable", e.ForCaller(store.Outage), StatusCodes.Status503ServiceUnavailable);
        }
        catch (Exception e) when (CallFailed.IsUnknownOutcome(e))
        {
            return PageFactory.Message(
                context.HttpContext, "No answer in time", "It is not known whether it was done. It may be repeated: repeating it is safe.", StatusCodes.Status503ServiceUnavailable);
        }
    }
}
