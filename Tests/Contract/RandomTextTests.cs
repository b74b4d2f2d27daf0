namespace Plane.Tests.Contract;

public sealed class RandomTextTests
{
    [Fact]
    public void Every_character_of_a_name_is_as_likely_as_any_other()
    {
        const int Names = 36_000;
        const double Expected = Names * 14 / 36.0;
        var counts = new Dictionary<char, int>();
        for (var i = 0; i < Names; i++)
        {
            var name = RandomText.Name("x-");
            Assert.Matches("^x-[a-z0-9]{14}$", name);
            foreach (var character in name.AsSpan(2))
            {
                counts[character] = counts.GetValueOrDefault(character) + 1;
            }
        }

        // 35 degrees of freedom: a fair draw exceeds 110 once in 10^9 runs. Bytes taken modulo 36 would come to some 900.
        Assert.Equal(36, counts.Count);
        Assert.InRange(counts.Values.Sum(c => (c - Expected) * (c - Expected) / Expected), 0, 110);
    }
}
