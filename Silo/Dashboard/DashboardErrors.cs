using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Plane.Grains.Storage;

namespace Plane.Silo.Dashboard;

/// <summary>What kept a page from being made is said on a page; what nobody foresaw goes to the pipeline's end, which logs it.</summary>
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
            var store = context.HttpContext.RequestServices.GetRequiredService<IPlaneStore>();
            return PageFactory.Message(context.HttpContext, "The database is unavailable", e.ForCaller(store.Outage), StatusCodes.Status503ServiceUnavailable);
        }
        catch (Exception e) when (CallFailed.IsUnknownOutcome(e))
        {
            return PageFactory.Message(
                context.HttpContext, "No answer in time", "It is not known whether it was done. It may be repeated: repeating it is safe.", StatusCodes.Status503ServiceUnavailable);
        }
    }
}
