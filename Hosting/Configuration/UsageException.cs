using Plane.Hosting.Running;

namespace Plane.Hosting.Configuration;

/// <summary>A command line that cannot be used; the message names the option. Exit code <see cref="ExitCodes.Usage"/>.</summary>
/// <param name="message">What is wrong, and what to do. Holds no secret.</param>
public sealed class UsageException(string message) : StartRefusedException(message, ExitCodes.Usage);
