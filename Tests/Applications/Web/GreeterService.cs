using Grpc.Core;

namespace Plane.Tests.Applications.Web;

/// <summary>One call of each kind.</summary>
internal sealed class GreeterService : Greeter.GreeterBase
{
    public override Task<Greeting> Greet(Greeting request, ServerCallContext context)
    {
        context.ResponseTrailers.Add("greeted", request.Text);
        return request.Text.Length == 0
            ? throw new RpcException(new Status(StatusCode.InvalidArgument, "no name"))
            : Task.FromResult(new Greeting { Text = $"hello {request.Text} from {context.RequestHeaders.GetValue("x-verified-username")}" });
    }

    public override async Task Count(CountRequest request, IServerStreamWriter<CountReply> responseStream, ServerCallContext context)
    {
        for (var number = 1; number <= request.To; number++)
        {
            await responseStream.WriteAsync(new CountReply { Number = number }, context.CancellationToken);
        }
    }

    /// <summary>Answers when the caller has given up, which a deadline brings about.</summary>
    public override async Task<Greeting> Wait(Greeting request, ServerCallContext context)
    {
        await Task.Delay(Timeout.Infinite, context.CancellationToken);
        return request;
    }
}
