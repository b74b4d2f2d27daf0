using Npgsql;
using Plane.Storage;
using Plane.Storage.Postgres;

namespace Plane.Tests.Storage;

public sealed class StoreUrlTests
{
    [Theory]
    [InlineData("postgres://ann:p%40ss%3Aw@db.example.com:6432/plane", "db.example.com", 6432, "ann", "p@ss:w", "plane")]
    [InlineData("postgresql://db/plane", "db", 5432, null, null, "plane")]
    [InlineData("POSTGRES://ann@[::1]:5433/x%2Fy", "::1", 5433, "ann", null, "x/y")]
    [InlineData("postgres://ann:a@b@db/plane", "db", 5432, "ann", "a@b", "plane")]
    [InlineData("postgres://127.0.0.1", "127.0.0.1", 5432, null, null, null)]
    public void A_postgres_url_is_read(string url, string host, int port, string? user, string? password, string? database)
    {
        var parsed = StoreUrl.Parse(url);
        Assert.Equal(StoreKind.Postgres, parsed.Kind);
        var builder = new NpgsqlConnectionStringBuilder(parsed.Target);
        Assert.Equal((host, port, user, password, database), (builder.Host, builder.Port, builder.Username, builder.Password, builder.Database));
    }

    [Fact]
    public void Options_are_known_by_libpqs_and_by_the_drivers_names()
    {
        var parsed = StoreUrl.Parse("postgres://db/plane?sslmode=verify-full&connect_timeout=3&Maximum%20Pool%20Size=7&application_name=a+b");
        var builder = new NpgsqlConnectionStringBuilder(parsed.Target);
        Assert.Equal((SslMode.VerifyFull, 3, 7, "a b"), (builder.SslMode, builder.Timeout, builder.MaxPoolSize, builder.ApplicationName));
    }

    [Fact]
    public void Several_hosts_are_handed_to_the_driver() =>
        Assert.Equal("a:5432,b:5433", new NpgsqlConnectionStringBuilder(StoreUrl.Parse("postgres://a:5432,b:5433/plane?target_session_attrs=read-write").Target).Host);

    [Fact]
    public void A_connection_string_is_taken_as_it_is() =>
        Assert.Equal("db", new NpgsqlConnectionStringBuilder(StoreUrl.Parse("Host=db;Username=ann;Password=x").Target).Host);

    [Theory]
    [InlineData("sqlite:/var/lib/plane.db", "/var/lib/plane.db")]
    [InlineData("sqlite:///var/lib/plane.db", "/var/lib/plane.db")]
    [InlineData("SQLITE:/a b", "/a b")]
    public void A_sqlite_url_is_a_file(string url, string file)
    {
        var parsed = StoreUrl.Parse(url);
        Assert.Equal((StoreKind.Sqlite, file), (parsed.Kind, parsed.Target));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("  ")]
    [InlineData("plane.db")]
    [InlineData("mysql://secret-word@db/plane")]
    [InlineData("sqlite:")]
    [InlineData("sqlite::memory:")]
    [InlineData("postgres://")]
    [InlineData("postgres:///plane?host=x")]
    [InlineData("postgres://u:secret-word@db:99999/plane")]
    [InlineData("postgres://u:secret-word@db:x/plane")]
    [InlineData("postgres://u:secret-word@:5432/plane")]
    [InlineData("postgres://u:secret-word@db/plane?nonsense=1")]
    [InlineData("postgres://u:secret-word@db/plane?sslmode=perhaps")]
    [InlineData("postgres://u:secret-word@[::1/plane")]
    [InlineData("Username=u;Password=secret-word")]
    [InlineData("Host=db;Password=secret-word;Nonsense=1")]
    [InlineData("Host=db;Port=secret-word")]
    [InlineData("Host=db;Password='secret-word")]
    public void Anything_else_is_refused_without_repeating_a_password(string? url)
    {
        var error = Assert.Throws<StoreUrlException>(() => StoreFactory.Create(url!, new LeaseOptions()));
        Assert.NotEmpty(error.Message);
        Assert.DoesNotContain("secret-word", error.ToString(), StringComparison.Ordinal);
        Assert.Equal([error.Message], new StoreOptions { Url = url! }.Problems());
    }

    [Fact]
    public void Options_name_what_is_wrong_with_the_numbers() =>
        Assert.Single(new StoreOptions { Url = "sqlite:x", Numbers = new LeaseOptions { Hard = TimeSpan.FromSeconds(59) } }.Problems());

    [Fact]
    public void A_url_shows_no_password() =>
        Assert.DoesNotContain("secret-word", StoreUrl.Parse("postgres://u:secret-word@db/plane").ToString(), StringComparison.Ordinal);

    [Theory]
    [InlineData("postgres://db/plane", GssEncryptionMode.Disable)]
    [InlineData("Host=db", GssEncryptionMode.Disable)]
    [InlineData("postgres://db/plane?gssencmode=require", GssEncryptionMode.Require)]
    [InlineData("Host=db;GSS Encryption Mode=Prefer", GssEncryptionMode.Prefer)]
    public void Kerberos_is_used_only_where_the_url_asks_for_it(string url, GssEncryptionMode mode) =>
        Assert.Equal(mode, new NpgsqlConnectionStringBuilder(StoreUrl.Parse(url).Target).GssEncryptionMode);

    [Fact]
    public void What_the_operator_left_open_is_completed_and_the_rest_is_kept()
    {
        var completed = new NpgsqlConnectionStringBuilder(PostgresSource.Complete("Host=db"));
        Assert.Equal((100, 5, 10, 40, "plane"), (completed.MaxAutoPrepare, completed.Timeout, completed.CommandTimeout, completed.MaxPoolSize, completed.ApplicationName));

        const string Given = "Host=a,b;Max Auto Prepare=0;Timeout=7;Command Timeout=8;Maximum Pool Size=9;Application Name=mine;Target Session Attributes=any";
        var kept = new NpgsqlConnectionStringBuilder(PostgresSource.Complete(Given));
        Assert.Equal(
            (0, 7, 8, 9, "mine", "any"),
            (kept.MaxAutoPrepare, kept.Timeout, kept.CommandTimeout, kept.MaxPoolSize, kept.ApplicationName, kept.TargetSessionAttributes));
        Assert.Equal("primary", new NpgsqlConnectionStringBuilder(PostgresSource.Complete("Host=a,b")).TargetSessionAttributes);
    }
}
