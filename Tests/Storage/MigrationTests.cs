using Plane.Storage;

namespace Plane.Tests.Storage;

public sealed class MigrationTests
{
    [Theory]
    [InlineData("Postgres")]
    [InlineData("Sqlite")]
    public void Migrations_are_numbered_and_state_the_oldest_program(string engine)
    {
        var all = Migration.Of(engine);
        Assert.NotEmpty(all);
        Assert.Equal(1, all[0].Version);
        Assert.Equal(all.Select(m => m.Version).Distinct().Order(), all.Select(m => m.Version));
        Assert.Equal(all.Select(m => m.Oldest).Order(), all.Select(m => m.Oldest));
    }

    [Theory]
    [InlineData("create table x ()")]
    [InlineData("-- oldest: x\n")]
    [InlineData("-- oldest: 0\n")]
    [InlineData("-- oldest: 4\n")]
    public void A_migration_without_a_valid_header_is_a_defect(string sql) =>
        Assert.Throws<InvalidOperationException>(() => Migration.Parse(3, sql));

    [Theory]
    [InlineData(5, 1, 3, false)]
    [InlineData(5, 3, 3, false)]
    [InlineData(5, 4, 3, true)]
    [InlineData(0, 0, 3, false)]
    public void A_program_refuses_only_a_schema_that_says_it_is_too_old(int schema, int oldest, int own, bool refused) =>
        Assert.Equal(refused, Migration.Refusal(schema, oldest, own) is not null);
}
