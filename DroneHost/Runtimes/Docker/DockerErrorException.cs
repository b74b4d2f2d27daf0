using System.Net;

namespace Plane.DroneHost.Runtimes.Docker;

/// <summary>The engine answered a call with an error.</summary>
internal sealed class DockerErrorException(HttpStatusCode status, string message) : Exception(message)
{
    /// <summary>The status of the answer.</summary>
    public HttpStatusCode Status { get; } = status;

    /// <summary>The engine is at fault and not the request, as far as the answer says.</summary>
    public bool IsOfEngine => (int)Status >= 500;

    /// <summary>No such container, image or network.</summary>
    public bool IsNotFound => Status == HttpStatusCode.NotFound;

    /// <summary>A name is taken, or the container is not in a state for this.</summary>
    public bool IsConflict => Status == HttpStatusCode.Conflict;
}
