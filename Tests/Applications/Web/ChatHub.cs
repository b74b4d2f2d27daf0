using Microsoft.AspNetCore.SignalR;

namespace Plane.Tests.Applications.Web;

/// <summary>Sends each message to everyone.</summary>
internal sealed class ChatHub : Hub
{
    public Task Say(string text) => Clients.All.SendAsync("said", $"{Context.GetHttpContext()?.Request.Headers["x-verified-username"]}: {text}");
}
