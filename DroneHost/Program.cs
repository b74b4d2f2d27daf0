namespace Plane.Drone;

internal static class Program
{
    private static int Main() => 0;
}
