namespace Plane.Demo.Board;

internal static class Program
{
    private static int Main() => 0;
}
