namespace Plane.Samples;

/// <summary>There is no URL: the message says why.</summary>
internal sealed class SampleFailedException(string message) : Exception(message);
