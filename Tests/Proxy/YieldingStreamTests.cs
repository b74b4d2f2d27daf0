using Plane.ProxyHost.Forwarding;

namespace Plane.Tests.Proxy;

/// <summary>A transfer that never has to wait still gives its thread back.</summary>
public sealed class YieldingStreamTests
{
    private const int Piece = YieldingStream.Stretch / 4;

    [Fact]
    public async Task Reading_what_is_always_there_gives_the_thread_back_after_each_stretch()
    {
        await using var stream = new YieldingStream(new MemoryStream(new byte[3 * YieldingStream.Stretch]));
        await AssertGivesBackAsync(() => stream.ReadAsync(new byte[Piece]).AsTask(), read => Assert.Equal(Piece, read));
    }

    [Fact]
    public async Task Writing_what_is_always_taken_gives_the_thread_back_after_each_stretch()
    {
        var taken = new MemoryStream();
        await using var stream = new YieldingStream(taken);
        var written = 0;
        async Task<int> WriteAsync()
        {
            await stream.WriteAsync(new byte[Piece]);
            return written += Piece;
        }

        await AssertGivesBackAsync(WriteAsync, total => Assert.Equal(total, taken.Length));
    }

    private static async Task AssertGivesBackAsync(Func<Task<int>> move, Action<int> check)
    {
        for (var stretch = 0; stretch < 3; stretch++)
        {
            for (var piece = 1; piece <= 4; piece++)
            {
                var moving = move();

                // The last piece of a stretch may be done already when it is looked at, but not here.
                if (piece < 4)
                {
                    Assert.True(moving.IsCompletedSuccessfully);
                }

                check(await moving);
            }
        }
    }
}
