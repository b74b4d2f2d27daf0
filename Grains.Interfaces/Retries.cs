using Polly;
using Polly.Retry;

namespace Plane;

/// <summary>
/// How what fails is repeated, by Polly: after pauses that double from a first to a longest one and are drawn at random, so that those who were cut off together don't come back
/// together. A loop that pauses without repeating a call has <see cref="Backoff"/>.
/// </summary>
public static class Retries
{
    /// <summary>Repeats a call until it succeeds, its caller gives up, or it was repeated so often.</summary>
    /// <typeparam name="T">What the call answers.</typeparam>
    /// <param name="first">About the first pause.</param>
    /// <param name="longest">The longest.</param>
    /// <param name="time">For the pauses.</param>
    /// <param name="isFailure">Whether an outcome, an exception or an answer, is a failure to be repeated. A cancellation by the caller ends the repetition in any case.</param>
    /// <param name="onFailure">Called before each pause.</param>
    public static ResiliencePipeline<T> Until<T>(
        TimeSpan first, TimeSpan longest, TimeProvider time, Func<Outcome<T>, bool> isFailure, Action<Outcome<T>>? onFailure = null) =>
        new ResiliencePipelineBuilder<T> { TimeProvider = time }
            .AddRetry(new RetryStrategyOptions<T>
            {
                MaxRetryAttempts = int.MaxValue,
                BackoffType = DelayBackoffType.Exponential,
                UseJitter = true,
                Delay = first,
                MaxDelay = longest,
                ShouldHandle = a => ValueTask.FromResult(isFailure(a.Outcome)),
                OnRetry = a =>
                {
                    onFailure?.Invoke(a.Outcome);
                    return ValueTask.CompletedTask;
                },
            })
            .Build();

    /// <summary>Repeats a call whatever it answers, a few times.</summary>
    /// <param name="most">How often it is repeated.</param>
    /// <param name="first">About the first pause.</param>
    /// <param name="time">For the pauses.</param>
    /// <param name="isFailure">Whether an exception is a failure to be repeated.</param>
    /// <param name="onFailure">Called before each pause, with the number of the attempt.</param>
    public static ResiliencePipeline UpTo(int most, TimeSpan first, TimeProvider time, Func<Exception, bool> isFailure, Action<Exception, int> onFailure) =>
        new ResiliencePipelineBuilder { TimeProvider = time }
            .AddRetry(new RetryStrategyOptions
            {
                MaxRetryAttempts = most,
                BackoffType = DelayBackoffType.Exponential,
                UseJitter = true,
                Delay = first,
                ShouldHandle = a => ValueTask.FromResult(a.Outcome.Exception is { } e && isFailure(e)),
                OnRetry = a =>
                {
                    onFailure(a.Outcome.Exception!, a.AttemptNumber + 1);
                    return ValueTask.CompletedTask;
                },
            })
            .Build();
}
