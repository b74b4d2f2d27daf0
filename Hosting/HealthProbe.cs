namespace Plane.Hosting;

/// <summary>What <c>plane health</c> found.</summary>
/// <param name="ExitCode">0 healthy, 1 answered that it isn't, 3 no answer.</param>
/// <param name="Message">One line for the operator.</param>
public sealed record HealthResult(int ExitCode, string Message);

/// <summary>Asks a role's health route, for containers without a shell or an HTTP client.</summary>
/// <param name="time">The clock of the time limit.</param>
public sealed class HealthProbe(TimeProvider time)
{
    /// <summary>Asks.</summary>
    /// <param name="url">The route, as <c>http://127.0.0.1:8080/pub/health</c>.</param>
    /// <param name="timeout">When an answer is no longer waited for.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public async Task<HealthResult> CheckAsync(Uri url, TimeSpan timeout, CancellationToken cancellationToken)
    {
        using var handler = new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false, UseProxy = false };
        using var client = new HttpClient(handler) { Timeout = Timeout.InfiniteTimeSpan };
        using var limit = new CancellationTokenSource(timeout, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            using var response = await client.GetAsync(url, HttpCompletionOption.ResponseHeadersRead, both.Token).ConfigureAwait(false);
            return response.IsSuccessStatusCode
                ? new HealthResult(ExitCodes.Done, $"{url} healthy")
                : new HealthResult(ExitCodes.Refused, $"{url} answered {(int)response.StatusCode}");
        }
        catch (HttpRequestException e)
        {
            return new HealthResult(ExitCodes.Unreachable, $"{url} could not be reached: {e.Message}");
        }
        catch (OperationCanceledException) when (limit.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            return new HealthResult(ExitCodes.Unreachable, $"{url} did not answer within {timeout.TotalSeconds:0.#} s");
        }
    }
}
