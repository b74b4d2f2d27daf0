using System.Net;
using Plane.Hosting;
using Plane.Hosting.Running;
using Plane.Storage;
using Plane.Silo.Http;

namespace Plane.Tests.Silo;

public sealed class ErrorTests
{
    [Theory]
    [InlineData(ErrorKind.NoClusterProvided, 400)]
    [InlineData(ErrorKind.InvalidClusterName, 400)]
    [InlineData(ErrorKind.InvalidRequest, 400)]
    [InlineData(ErrorKind.Unauthorized, 401)]
    [InlineData(ErrorKind.NotFound, 404)]
    [InlineData(ErrorKind.KeyUnheldNoSpawnConfig, 409)]
    [InlineData(ErrorKind.KeyHeld, 409)]
    [InlineData(ErrorKind.FailedToRemoveKey, 409)]
    [InlineData(ErrorKind.BackendIdTaken, 409)]
    [InlineData(ErrorKind.PayloadTooLarge, 413)]
    [InlineData(ErrorKind.KeyHeldUnhealthy, 500)]
    [InlineData(ErrorKind.Other, 500)]
    [InlineData(ErrorKind.ForwardAuthUnavailable, 502)]
    [InlineData(ErrorKind.NoDroneAvailable, 503)]
    [InlineData(ErrorKind.FailedToAcquireKey, 503)]
    [InlineData(ErrorKind.DatabaseError, 503)]
    [InlineData(ErrorKind.RequestIdTaken, 409)]
    [InlineData(ErrorKind.KeysHeldOff, 503)]
    [InlineData(ErrorKind.ServiceFull, 503)]
    [InlineData(ErrorKind.CrashLoop, 503)]
    [InlineData(ErrorKind.WakeLimited, 429)]
    [InlineData(ErrorKind.SigningKeyTaken, 409)]
    public void Every_kind_has_its_status(ErrorKind kind, int status) => Assert.Equal(status, ErrorStatus.Of(kind));

    [Fact]
    public void The_table_of_statuses_is_complete() =>
        Assert.Equal(
            Enum.GetValues<ErrorKind>().Order(),
            typeof(ErrorTests).GetMethod(nameof(Every_kind_has_its_status))!.GetCustomAttributes(typeof(InlineDataAttribute), false)
                .Cast<InlineDataAttribute>().Select(a => (ErrorKind)a.GetData(null!).Single()[0]).Order());

    [Fact]
    public async Task While_keys_are_held_off_after_a_failover_the_answer_says_for_how_long()
    {
        await using var controller = await Controller.StartAsync();
        await controller.AddDroneAsync();
        controller.Faults.Instead = (member, _) => member == nameof(IPlaneStore.AcquireAsync)
            ? Task.FromResult(new AcquireResult(AcquireOutcome.HeldOff, null) { HeldFor = TimeSpan.FromSeconds(41.2) })
            : null;
        var answer = (await controller.PostAsync("/ctrl/connect", Requests.Connect("k"))).ExpectError(HttpStatusCode.ServiceUnavailable, "KeysHeldOff");
        Assert.Equal(TimeSpan.FromSeconds(42), answer.Headers.RetryAfter!.Delta);
    }

    [Fact]
    public async Task A_database_that_is_unavailable_is_named_by_connect_and_by_health_and_not_logged_for_each_request()
    {
        await using var controller = await Controller.StartAsync();
        await controller.AddDroneAsync();
        controller.Faults.Away();
        var connect = (await controller.PostAsync("/ctrl/connect", Requests.Connect("k"))).ExpectError(HttpStatusCode.ServiceUnavailable, "DatabaseError");
        var list = (await controller.GetAsync("/ctrl/backends")).ExpectError(HttpStatusCode.ServiceUnavailable, "DatabaseError");
        var health = (await controller.GetAsync("/pub/health")).ExpectError(HttpStatusCode.InternalServerError, "DatabaseError");
        Assert.All([connect, list, health], a => Assert.Contains("it does not answer", a.Message, StringComparison.Ordinal));
        Assert.DoesNotMatch(@"(?m)^(Warning|Error) \S+ApiError\[", controller.Log.Text);
        Assert.Matches(@"(?m)^Debug \S+ApiError\[6004\]", controller.Log.Text);
        controller.Faults.Heal();
        (await controller.GetAsync("/pub/health")).Expect(HttpStatusCode.OK);
    }

    [Fact]
    public async Task A_request_that_was_given_up_within_the_controller_is_not_said_to_meet_its_end()
    {
        await using var controller = await Controller.StartAsync();
        controller.Faults.Instead = (member, _) => member == nameof(IPlaneStore.ListBackendsAsync)
            ? Task.FromException<BackendPage>(new OperationCanceledException())
            : null;
        var answer = (await controller.GetAsync("/ctrl/backends")).ExpectError(HttpStatusCode.ServiceUnavailable, "Other");
        var message = answer.Message;
        Assert.DoesNotContain("stop", message, StringComparison.Ordinal);
        Assert.Contains("not answered in time", message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_clock_that_is_wrong_makes_the_controller_unhealthy_and_serves_on()
    {
        await using var controller = await Controller.StartAsync();
        await controller.AddDroneAsync();
        controller.Faults.Instead = (member, _) => member == "get_ClockProblem" ? "this machine's clock is 312 s ahead" : null;
        var answer = (await controller.GetAsync("/pub/health")).ExpectError(HttpStatusCode.InternalServerError, "Other");
        Assert.Equal("this machine's clock is 312 s ahead", answer.Message);
        await controller.ConnectAsync("k");
    }

    [Theory]
    [InlineData(1_000, 899, false)]
    [InlineData(1_000, 900, true)]
    [InlineData(1_000, null, true)]
    [InlineData(null, 5_000, false)]
    public void Few_free_file_descriptors_are_a_problem(int? limit, int? open, bool isOne) => Assert.Equal(isOne, FileDescriptors.Problem(limit, open) is not null);

    [Fact]
    public async Task A_race_for_the_key_that_is_lost_again_and_again_is_a_503()
    {
        await using var controller = await Controller.StartAsync();
        await controller.AddDroneAsync();
        controller.Faults.Instead = (member, _) => member == nameof(IPlaneStore.AcquireAsync)
            ? Task.FromResult(new AcquireResult(AcquireOutcome.Held, null))
            : null;
        var answer = (await controller.PostAsync("/ctrl/connect", Requests.Connect("k"))).ExpectError(HttpStatusCode.ServiceUnavailable, "FailedToAcquireKey");
        Assert.NotNull(answer.Headers.RetryAfter);
    }
}
