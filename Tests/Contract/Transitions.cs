namespace Plane.Tests.Contract;

public sealed class Transitions
{
    [Fact]
    public void The_order_of_a_life_is_that_of_the_numbers() => Assert.Equal(
        [
            BackendStatus.Scheduled, BackendStatus.Loading, BackendStatus.Starting, BackendStatus.Waiting, BackendStatus.Ready, BackendStatus.Terminating,
            BackendStatus.HardTerminating, BackendStatus.Terminated,
        ],
        BackendTransitions.Order);

    [Fact]
    public void A_drone_goes_forward_only_and_the_controller_only_ends()
    {
        foreach (var from in BackendTransitions.Order)
        {
            foreach (var to in BackendTransitions.Order)
            {
                Assert.Equal(to > from, BackendTransitions.IsAllowed(from, to, TransitionSource.Drone));
                Assert.Equal(to > from && to == BackendStatus.Terminated, BackendTransitions.IsAllowed(from, to, TransitionSource.Controller));
            }
        }
    }

    [Fact]
    public void Requests_are_forwarded_to_what_answers_or_is_ending() => Assert.Equal(
        [BackendStatus.Ready, BackendStatus.Terminating, BackendStatus.HardTerminating], BackendTransitions.Order.Where(s => s.IsRoutable()));

    [Fact]
    public void Wire_names_are_those_of_the_json_and_are_read_back()
    {
        foreach (var status in BackendTransitions.Order)
        {
            Assert.Equal($"\"{status.WireName()}\"", System.Text.Json.JsonSerializer.Serialize(status));
            Assert.True(BackendTransitions.TryParseWireName(status.WireName(), out var read));
            Assert.Equal(status, read);
        }

        Assert.False(BackendTransitions.TryParseWireName("Ready", out _));
        Assert.False(BackendTransitions.TryParseWireName(null, out _));
        Assert.False(BackendTransitions.TryParseWireName("50", out _));
    }
}
