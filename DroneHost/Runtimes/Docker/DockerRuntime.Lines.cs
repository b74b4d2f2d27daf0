using System.Runtime.CompilerServices;
using Docker.DotNet;
using Plane.DroneHost.Runtimes.Output;

namespace Plane.DroneHost.Runtimes.Docker;

// What a container wrote: from the engine while there is a container, and from what is kept of it after that.
public sealed partial class DockerRuntime
{
    private const int ReadBytes = 64 * 1024;

    /// <inheritdoc/>
    public async Task<IAsyncEnumerable<OutputLine>?> ReadOutputAsync(BackendIdentity backend, OutputSelection selection, CancellationToken cancellationToken)
    {
        if (_ended.ReadLines(backend) is { } kept)
        {
            return Select(kept, selection).ToAsyncEnumerable();
        }

        return await FindAsync(backend, cancellationToken) is { } id ? ReadContainerAsync(backend, id, selection, cancellationToken)
            : _ended.ReadLines(backend) is { } since ? Select(since, selection).ToAsyncEnumerable()
            : null;
    }

    private static IEnumerable<OutputLine> Select(IEnumerable<OutputLine> lines, OutputSelection selection) => lines
        .Where(l => l.Position > (selection.After ?? 0) && !(selection.Since is { } since && l.Time < since));

    /// <summary>The last of what it wrote, both streams, as far as it can be read in time.</summary>
    private async Task<KeptOutput> ReadLastOutputAsync(BackendIdentity backend, string id, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(_options.OutputTimeout, _time);
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        return await KeptOutput.ReadAsync(
            ReadContainerAsync(backend, id, new OutputSelection { Tail = KeptOutput.MaxLines }, linked.Token),
            _options.OutputLimit,
            e => LogOutputNotRead(backend.Backend.Value, limit.IsCancellationRequested ? "it took too long" : e.Message),
            e => !cancellationToken.IsCancellationRequested && e is OperationCanceledException or RuntimeUnavailableException);
    }

    /// <summary>
    /// Reads a container's output. Where a stream that is followed ends, the container has ended, or the engine: then it is read on from the last line, from what is kept where the container is gone.
    /// </summary>
    private async IAsyncEnumerable<OutputLine> ReadContainerAsync(
        BackendIdentity backend, string id, OutputSelection selection, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var lines = new ContainerLines(selection.Follow ? new OutputBudget(_time) : null, selection.After ?? 0);
        var complete = new List<OutputLine>();
        var buffer = new byte[ReadBytes];
        var (tail, since) = (selection.Tail, selection.After ?? NanosecondsOf(selection.Since ?? DateTimeOffset.UnixEpoch));
        for (var follow = selection.Follow; ; (tail, since) = (null, lines.Last))
        {
            lines.Resume();
            using var output = await Answered(_docker.OutputAsync(id, tail, since > 0 ? since : null, follow, cancellationToken));
            if (output is null)
            {
                foreach (var line in (_ended.ReadLines(backend) ?? []).Where(l => l.Position > lines.Last))
                {
                    yield return line;
                }

                yield break;
            }

            while (await ReadAsync(output, buffer, cancellationToken) is { EOF: false } read)
            {
                lines.Add(read.Target == MultiplexedStream.TargetStream.StandardError ? OutputStream.Stderr : OutputStream.Stdout, buffer.AsSpan(0, read.Count), complete);
                foreach (var line in complete)
                {
                    yield return line;
                }

                complete.Clear();
            }

            if (!follow)
            {
                break;
            }

            follow = await Answered(_docker.InspectAsync(id, cancellationToken)) is { State.Running: true };
            if (follow)
            {
                await Task.Delay(s_lookAgain, _time, cancellationToken);
            }
        }

        lines.Finish(complete);
        foreach (var line in complete)
        {
            yield return line;
        }
    }

    private static async Task<MultiplexedStream.ReadResult> ReadAsync(MultiplexedStream output, byte[] buffer, CancellationToken cancellationToken)
    {
        try
        {
            return await output.ReadOutputAsync(buffer, 0, buffer.Length, cancellationToken);
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested && DockerConnection.IsTransport(e))
        {
            throw new RuntimeUnavailableException($"The output of a container could not be read on: {RuntimeText.Shown(e.Message)}", e);
        }
    }
}
