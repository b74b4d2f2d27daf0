namespace Plane.Demo.Board;

/// <summary>A browser said something that no page of ours says; the message names the field and becomes the reason of the close.</summary>
internal sealed class RefusedException(string message) : Exception(message);
