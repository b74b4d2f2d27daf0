using Plane.DroneHost;
using Plane.Hosting;
using Plane.Testing;

namespace Plane.Tests.Drone;

/// <summary>Registration, heartbeats and the end of a session.</summary>
public sealed class SessionTests
{
    [Fact]
    public async Task A_drone_registers_with_its_name_instance_clock_and_capacity()
    {
        await using var drone = await DroneUnderTest.StartedAsync(d => d.Options.MaxBackends = 7);

        var registration = Assert.Single(drone.Controller.Registrations);
        Assert.Equal("test.example", registration.Cluster.Value);
        Assert.StartsWith("dr-", registration.Name.Value, StringComparison.Ordinal);
        Assert.Equal(drone.Clock.BootId, registration.BootId);
        Assert.Equal(drone.Clock.Milliseconds, registration.Reading);
        Assert.Equal(7, registration.MaxBackends);
        Assert.Equal([ExecutorKind.Process], registration.Kinds);
        Assert.True(registration.Ready);
    }

    [Fact]
    public async Task A_drone_offers_no_more_places_than_it_has_ports()
    {
        await using var drone = await DroneUnderTest.StartedAsync(d => (d.Options.MaxBackends, d.Options.PortTo) = (7, d.Options.PortFrom + 2));

        Assert.Equal(3, Assert.Single(drone.Controller.Registrations).MaxBackends);
    }

    [Fact]
    public async Task Name_instance_and_installation_outlive_the_agent()
    {
        await using var drone = await DroneUnderTest.StartedAsync();

        await drone.RestartAsync();

        await Eventually.TrueAsync(() => drone.Controller.Registrations.Count == 2, "it registers again");
        var (first, second) = (drone.Controller.Registrations.First(), drone.Controller.Registrations.Last());
        Assert.Null(first.InstallationId);
        Assert.Equal((first.Name, first.InstanceId, "in-one"), (second.Name, second.InstanceId, second.InstallationId));
    }

    [Fact]
    public async Task Its_start_does_not_wait_for_a_controller_and_it_registers_when_there_is_one()
    {
        await using var drone = new DroneUnderTest();
        drone.Controller.IsAway = true;
        await drone.StartAsync();
        await Eventually.TrueAsync(() => drone.Log.Contains("No controller answers"), "it has tried");

        drone.Controller.IsAway = false;

        await Eventually.EndsAsync(drone.Status.WhenReady, "it is ready");
    }

    [Fact]
    public async Task Each_heartbeat_carries_a_reading_of_the_lease_clock()
    {
        await using var drone = await DroneUnderTest.StartedAsync();

        drone.Clock.Advance(TimeSpan.FromMilliseconds(123));

        await Eventually.TrueAsync(
            () => drone.Controller.Heartbeats.Any(h => h.Reading == drone.Clock.Milliseconds && h.InstanceId == drone.Controller.Instance && h.Ready),
            "a heartbeat with the new reading");
    }

    [Fact]
    public async Task A_session_that_the_controller_does_not_know_is_registered_again()
    {
        await using var drone = await DroneUnderTest.StartedAsync();
        var first = drone.Controller.Session!;

        drone.Controller.OnHeartbeat = h => h.Session == first ? SessionState.Unknown : null;

        await Eventually.TrueAsync(() => drone.Controller.Session!.Number > first.Number, "a new session");
        Assert.Null(drone.Exit.Reason);
    }

    [Fact]
    public async Task A_name_in_use_is_tried_for_a_while_and_then_ends_the_program_with_code_2()
    {
        await using var drone = new DroneUnderTest();
        drone.Controller.OnRegister = _ => Reply(RegistrationOutcome.NameInUse);
        await drone.StartAsync();

        await Eventually.EndsAsync(drone.Stopping, "the host stops");

        Assert.Equal(ExitCodes.Usage, drone.Exit.Code);
        Assert.Contains("in use", drone.Exit.Reason, StringComparison.Ordinal);
        Assert.True(drone.Controller.Registrations.Count > 1);
    }

    [Fact]
    public async Task A_name_that_becomes_free_in_time_is_taken()
    {
        await using var drone = new DroneUnderTest();
        drone.Options.NameInUseLimit = TimeSpan.FromSeconds(60);
        drone.Controller.OnRegister = _ => drone.Controller.Registrations.Count < 3 ? Reply(RegistrationOutcome.NameInUse) : Accept();
        await drone.StartAsync();

        await Eventually.EndsAsync(drone.Status.WhenReady, "it is ready");
    }

    [Fact]
    public async Task A_foreign_installation_ends_the_program_and_leaves_what_runs()
    {
        await using var drone = await DroneUnderTest.StartedAsync();
        await drone.ReadyBackendAsync();
        drone.Controller.InstallationId = "in-two";

        await drone.RestartAsync();
        await Eventually.EndsAsync(drone.Stopping, "the host stops");

        Assert.Equal(ExitCodes.Usage, drone.Exit.Code);
        Assert.Contains("installation", drone.Exit.Reason, StringComparison.Ordinal);
        Assert.Equal(1, drone.Runtime.Running);
    }

    [Fact]
    public async Task A_replaced_session_ends_the_program_once_the_leases_have_ended_what_runs()
    {
        await using var drone = await DroneUnderTest.StartedAsync();
        var backend = await drone.ReadyBackendAsync();
        var stopping = drone.Stopping;

        drone.Controller.OnHeartbeat = _ => SessionState.Replaced;
        await Eventually.TrueAsync(() => drone.Log.Contains("The drone stops:"), "it stops");
        Assert.False(stopping.IsCompleted);
        Assert.Equal(1, drone.Runtime.Running);
        drone.Clock.Advance(drone.Numbers.Hard);

        await Eventually.EndsAsync(stopping, "the host stops");
        Assert.Equal(ExitCodes.Usage, drone.Exit.Code);
        Assert.Equal(0, drone.Runtime.Running);
        Assert.Single(drone.Controller.Registrations);
        Assert.NotEqual(default, backend);
    }

    [Fact]
    public async Task A_session_that_an_unanswered_registration_of_its_own_replaced_is_no_end()
    {
        await using var drone = new DroneUnderTest();
        var calls = 0;
        drone.Controller.OnRegister = _ => Interlocked.Increment(ref calls) == 1 ? throw new TimeoutException("lost for the test") : Accept();
        await drone.StartAsync();
        await Eventually.EndsAsync(drone.Status.WhenReady, "it is ready");
        var session = drone.Controller.Session!;

        drone.Controller.OnHeartbeat = h => h.Session == session ? SessionState.Replaced : null;

        await Eventually.TrueAsync(() => drone.Controller.Session!.Number > session.Number, "it registered again");
        Assert.Null(drone.Exit.Reason);
    }

    [Fact]
    public async Task A_session_that_is_older_than_a_late_registration_was_replaced_by_another_agent()
    {
        await using var drone = new DroneUnderTest();
        var calls = 0;
        drone.Controller.OnRegister = _ => Interlocked.Increment(ref calls) == 1 ? throw new TimeoutException("lost for the test") : Accept();
        await drone.StartAsync();
        await Eventually.EndsAsync(drone.Status.WhenReady, "it is ready");

        drone.Time.Advance(TimeSpan.FromMinutes(10));
        drone.Controller.OnHeartbeat = _ => SessionState.Replaced;

        await Eventually.EndsAsync(drone.Stopping, "the host stops");
        Assert.Contains("replaced", drone.Exit.Reason, StringComparison.Ordinal);
        Assert.Equal(2, Volatile.Read(ref calls));
    }

    [Fact]
    public async Task A_registration_that_failed_for_sure_excuses_no_replacement()
    {
        await using var drone = new DroneUnderTest();
        var calls = 0;
        drone.Controller.OnRegister = _ => Interlocked.Increment(ref calls) == 1 ? throw new InvalidOperationException("refused for the test") : Accept();
        await drone.StartAsync();
        await Eventually.EndsAsync(drone.Status.WhenReady, "it is ready");

        drone.Controller.OnHeartbeat = _ => SessionState.Replaced;

        await Eventually.EndsAsync(drone.Stopping, "the host stops");
        Assert.Equal(2, Volatile.Read(ref calls));
    }

    [Fact]
    public async Task Lease_numbers_that_break_their_rules_are_refused()
    {
        await using var drone = new DroneUnderTest();
        drone.Controller.Numbers = new LeaseOptions { Expiry = TimeSpan.FromSeconds(51) };
        await drone.StartAsync();

        await Eventually.EndsAsync(drone.Stopping, "the host stops");

        Assert.Contains("lease numbers", drone.Exit.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task It_stops_though_a_controller_answers_every_wait_at_once()
    {
        await using var drone = await DroneUnderTest.StartedAsync();
        drone.Controller.AnswersWaitsAtOnce = true;
        var reads = drone.Controller.Reads.Count;
        drone.Controller.Spawn();
        await Eventually.TrueAsync(() => drone.Controller.Reads.Count > reads + 3, "it asks again and again");

        await Eventually.EndsAsync(drone.StopAsync(), "it stops");
    }

    [Theory]
    [InlineData("cluster", "not a cluster")]
    [InlineData("name", "no-prefix")]
    [InlineData("ip", "0.0.0.0")]
    [InlineData("runtime", "podman")]
    [InlineData("max-backends", "0")]
    [InlineData("port-range", "80")]
    [InlineData("mount-base", "relative")]
    public void A_bad_option_names_itself(string option, string value)
    {
        var options = new DroneOptions { Cluster = "test.example" };
        switch (option)
        {
            case "cluster": options.Cluster = value; break;
            case "name": options.Name = value; break;
            case "ip": options.Ip = value; break;
            case "runtime": options.Runtime = value; break;
            case "max-backends": options.MaxBackends = 0; break;
            case "port-range": options.PortFrom = 80; break;
            default: options.MountBase = value; break;
        }

        Assert.StartsWith($"--{option} (PLANE__", Assert.Single(new DroneOptionsValidator().Problems(options)), StringComparison.Ordinal);
    }

    [Fact]
    public void Every_problem_begins_with_a_flag_of_the_command_line()
    {
        var zero = TimeSpan.Zero;
        var options = new DroneOptions
        {
            Cluster = "", Name = "x", Pool = "\n", Ip = "::", StateFile = "", Runtime = "x", DockerHost = "x", MountBase = "x", MaxBackends = 0, PortFrom = 1, RunDir = " ", ProcessDir = " ", Guard = "x",
            PortRest = zero, PruneAge = zero, PruneEvery = zero, UsageEvery = zero, CheckEvery = zero, StartupLimit = zero, RuntimeAwayLimit = zero, NameInUseLimit = zero,
            StopGrace = zero, OciRuntime = "a b",
        };
        var command = Plane.Cli.Roles.DroneCommand.Create();
        var flags = command.Options.Select(o => o.Name).ToHashSet();

        var named = new DroneOptionsValidator().Problems(options).Select(p => p.Split(' ')[0]).ToList();

        Assert.Equal(23, named.Distinct().Count());
        Assert.All(named, flag => Assert.Contains(flag, flags));
        Assert.All(command.Options, o => Assert.False(string.IsNullOrWhiteSpace(o.Description), o.Name));
    }

    private static Task<RegistrationReply?> Reply(RegistrationOutcome outcome) =>
        Task.FromResult<RegistrationReply?>(new RegistrationReply { Outcome = outcome, Message = "for the test" });

    private static Task<RegistrationReply?> Accept() => Task.FromResult<RegistrationReply?>(null);
}
