using Orleans.Runtime;

namespace Plane.Tests.Grains;

public sealed class CallFailedTests
{
    [Fact]
    public void A_call_without_an_answer_has_one_short_reason_however_often_it_is_made()
    {
        Assert.Equal("no answer in time", CallFailed.Reason(new TimeoutException("Response did not arrive on time in 00:00:05 for message: Request [sys.client/1 c]->[S127.0.0.1:1:2 drone/a] #71.")));
        Assert.Equal("no answer in time", CallFailed.Reason(new TaskCanceledException()));
        Assert.Equal(
            "The target silo became unavailable",
            CallFailed.Reason(new SiloUnavailableException("The target silo became unavailable for message: Request [sys.client/1 c]->[S127.0.0.1:1:2 drone/a] #72. See https://aka.ms/x.")));
        Assert.Equal(
            "Silo S127.0.0.1:1:2 is rejecting",
            CallFailed.Reason(new OrleansException("Silo S127.0.0.1:1:2 is rejecting message: Request #73.\nReason = Shutdown")));
        Assert.Equal(
            "Unable to connect to S127.0.0.1:30000:0",
            CallFailed.Reason(new OrleansException("Unable to connect to S127.0.0.1:30000:0, will retry after 998.1494ms")));
        Assert.Equal("Could not find any gateway", CallFailed.Reason(new SiloUnavailableException("Could not find any gateway\n   at Orleans")));
    }

    [Fact]
    public void A_failure_that_is_an_answer_keeps_its_words() =>
        Assert.Equal("the message is too long", CallFailed.Reason(new InvalidOperationException("the message is too long")));
}
