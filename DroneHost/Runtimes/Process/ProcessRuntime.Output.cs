using System.Runtime.CompilerServices;
using Plane.DroneHost.Runtimes.Output;

namespace Plane.DroneHost.Runtimes.Process;

// What a process wrote: both streams to one file, in the order of writing, which the agent reads but is not in the path of.
public sealed partial class ProcessRuntime
{
    /// <summary>How much of the end is read where no position is given.</summary>
    private const int EndBytes = 1024 * 1024;

    /// <summary>How far a reader that follows may be behind; beyond it, lines are counted and passed over.</summary>
    private const int MaxBehind = OutputBudget.BytesPerSecond / 4;

    /// <inheritdoc/>
    public Task<IAsyncEnumerable<OutputLine>?> ReadOutputAsync(BackendIdentity backend, OutputSelection selection, CancellationToken cancellationToken)
    {
        var files = FilesOf(backend);
        return Task.FromResult(File.Exists(files.Output) ? ReadLinesAsync(files, selection, cancellationToken) : null);
    }

    private async IAsyncEnumerable<OutputLine> ReadLinesAsync(
        BackendFiles files, OutputSelection selection, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var lines = new ProcessLines(files, selection, EndBytes, _outputs);
        var complete = new List<OutputLine>();
        while (true)
        {
            // Looked at before reading: what it wrote until its end is read.
            var isRunning = LookAt(files).State == FoundState.Running;
            if (selection.Follow)
            {
                lines.SkipTo(MaxBehind);
            }

            for (var most = selection.Follow ? MaxBehind : long.MaxValue; most > 0;)
            {
                var read = lines.Read(complete, _time.GetUtcNow());
                foreach (var line in complete)
                {
                    yield return line;
                }

                complete.Clear();
                most = read == 0 ? 0 : most - read;
                cancellationToken.ThrowIfCancellationRequested();
            }

            if (!isRunning && lines.IsAtEnd)
            {
                if (lines.Finish() is { } last)
                {
                    yield return last;
                }

                yield break;
            }

            if (!selection.Follow)
            {
                yield break;
            }

            await Task.Delay(_options.LookEvery, _time, cancellationToken);
        }
    }
}
