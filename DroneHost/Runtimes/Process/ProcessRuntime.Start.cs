using Plane.Hosting.Running;


namespace Plane.DroneHost.Runtimes.Process;

public sealed partial class ProcessRuntime
{
    /// <summary>The launcher's own variables begin so (<c>launcher.sh</c>).</summary>
    private const string LauncherPrefix = "_plane_";

    private async Task<StartedBackend?> StartOnceAsync(BackendStart start, CancellationToken cancellationToken)
    {
        var files = FilesOf(start.Identity);
        var address = AddressOf(start);
        var environment = EnvironmentOf(start, files);
        var directory = CheckProgram(start.Executable, environment, files);
        if (files.Exists && await FindStartedAsync(files, cancellationToken) is { } running)
        {
            return running;
        }

        // What a start left that came to nothing, its own mark that nothing may begin among it. A former agent's launcher may still be about to begin. That is harmless: of
        // two launchers of a directory only one continues.
        await ClearAsync(files, cancellationToken);
        var cgroup = CgroupOf(start.Identity);
        WriteSpec(files, new BackendSpec(address, _bootId, cgroup));
        if (!start.MayStart()
            || !await LaunchAsync(files, () => _launcher.Start(start, files, MarkOf(start.Identity), cgroup, directory, environment), cancellationToken))
        {
            await DiscardAsync(files, cgroup, cancellationToken);
            return null;
        }

        Track(files);
        return files.Launcher is { IsRunning: true } launcher
            ? new StartedBackend(address, launcher.Pid, launcher.StartTime)
            : new StartedBackend(address, 0, 0);
    }

    /// <summary>The backend, where an earlier start of it, whose answer was lost, has succeeded.</summary>
    private async Task<StartedBackend?> FindStartedAsync(BackendFiles files, CancellationToken cancellationToken)
    {
        await WaitForWordAsync(files, files.Launcher, cancellationToken);
        var (state, process, known) = LookAt(files);
        switch (state)
        {
            case FoundState.Running:
                Track(files);
                return new StartedBackend(known!.Address, process.Pid, process.StartTime);
            case FoundState.Exited:
                throw new RuntimeFailureException($"Backend {files.Backend.Backend} has run already.");
            default:
                return null;
        }
    }

    private static void WriteSpec(BackendFiles files, BackendSpec spec)
    {
        try
        {
            files.WriteSpec(spec);
        }
        catch (IOException e) when (FileDescriptors.Problem() is { } problem)
        {
            throw new RuntimeUnavailableException($"The backend's files cannot be written: {problem}", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new RuntimeFailureException($"The backend's files cannot be written: {RuntimeText.Shown(e.Message)}", e);
        }
    }

    /// <summary>Starts a launcher and waits for its word. Where this ends otherwise than with true, nothing of it begins any more.</summary>
    /// <returns>Whether the command is executed.</returns>
    private async Task<bool> LaunchAsync(BackendFiles files, Func<System.Diagnostics.Process> start, CancellationToken cancellationToken)
    {
        var started = false;
        ProcessIdentity? launched = null;
        try
        {
            cancellationToken.ThrowIfCancellationRequested();
            var process = start();

            // Its exit was not waited for yet: the number is still its own.
            launched = ProcessIdentity.TryRead(process.Id);
            SignalOnExit(process);
            started = await IsStartedAsync(files, launched, cancellationToken);
        }
        catch (OperationCanceledException) when (launched is not null)
        {
            // Given up, by an agent that stops perhaps: its successor must find either a backend that runs or one that never did. A launcher whose look came before the
            // mark is about to begin, and is let do so instead of being killed over it; any other refuses now.
            files.MarkEnded();
            started = await WaitForWordAsync(files, launched, CancellationToken.None);
            if (!started)
            {
                throw;
            }
        }
        finally
        {
            if (!started)
            {
                // Refused, failed, or the caller has given up: no launcher may begin any more. Ours may not have written its number yet, so it is ended by what we know.
                files.MarkEnded();
                await EndLaunchedAsync(launched);
            }
        }

        return started;
    }

    /// <summary>Waits for the launcher's word: true where the command is executed, false where its last look said no.</summary>
    private async Task<bool> IsStartedAsync(BackendFiles files, ProcessIdentity? launched, CancellationToken cancellationToken)
    {
        var begun = _time.GetTimestamp();
        var wait = FirstWait;
        while (true)
        {
            // Read before the files: what it left before it ended is then there.
            var isAlive = launched is { IsRunning: true };
            if (files.IsStarted)
            {
                return true;
            }

            if (files.IsRefused)
            {
                return false;
            }

            // Another launcher of this directory may have been faster; then that one's word counts.
            if ((!isAlive && files.Launcher is not { IsRunning: true } && !files.IsStarted && !files.IsRefused) || _time.GetElapsedTime(begun) > _options.StartTimeout)
            {
                throw new RuntimeFailureException(
                    $"The launcher of backend {files.Backend.Backend} {(isAlive ? "did not report in time" : $"ended without a word; its output is in {files.Output}")}.");
            }

            await Task.Delay(wait, _time, cancellationToken);
            wait = wait * 2 < LastWait ? wait * 2 : LastWait;
        }
    }

    /// <summary>Waits a moment for a launcher that is between its beginning and its word.</summary>
    /// <returns>Whether the command is executed.</returns>
    private async Task<bool> WaitForWordAsync(BackendFiles files, ProcessIdentity? launcher, CancellationToken cancellationToken)
    {
        var begun = _time.GetTimestamp();
        while (launcher is { IsRunning: true } && !files.IsStarted && !files.IsRefused && _time.GetElapsedTime(begun) < WordWait)
        {
            await Task.Delay(FirstWait, _time, cancellationToken);
        }

        return files.IsStarted;
    }

    private async Task EndLaunchedAsync(ProcessIdentity? launched)
    {
        var begun = _time.GetTimestamp();
        while (launched?.KillSession() > 0 && _time.GetElapsedTime(begun) < _options.KillTimeout)
        {
            await Task.Delay(FirstWait, _time, CancellationToken.None);
        }
    }

    private void SignalOnExit(System.Diagnostics.Process process)
    {
        process.Exited += (_, _) =>
        {
            process.Dispose();
            Changed();
        };

        // Last: it is raised at once where the process has exited by now.
        process.EnableRaisingEvents = true;
    }

    private async Task DiscardAsync(BackendFiles files, string? cgroup, CancellationToken cancellationToken)
    {
        await ClearAsync(files, cancellationToken);
        if (cgroup is not null)
        {
            Cgroups.Remove(cgroup);
        }
    }

    /// <summary>
    /// Ends and removes what a start left that came to nothing, so that it can be made again. A launcher that comes late is found by the number that it has written
    /// to the directory, which is moved aside first, or finds none.
    /// </summary>
    private async Task ClearAsync(BackendFiles files, CancellationToken cancellationToken)
    {
        await ClearAsideAsync(files, cancellationToken);
        if (files.Exists)
        {
            if (!files.IsGone)
            {
                await EndAsync(files, cancellationToken);
            }

            if (files.Aside.Exists)
            {
                throw new RuntimeFailureException(
                    $"Backend {files.Backend.Backend} cannot be started again: what an earlier start left in {files.Aside.Directory} cannot be removed. Remove it by hand.");
            }

            files.MoveAside();
            await ClearAsideAsync(files, cancellationToken);
        }

        _tracked.TryRemove(files.Backend, out _);
    }

    private async Task ClearAsideAsync(BackendFiles files, CancellationToken cancellationToken)
    {
        var aside = files.Aside;
        if (!aside.Exists)
        {
            return;
        }

        if (aside.ReadSpec() is { } spec && spec.BootId == _bootId)
        {
            await KillAllAsync(aside, spec, cancellationToken);
        }

        // Nothing of it runs, which is what counts.
        TryDelete(aside);
    }

    private string? CgroupOf(BackendIdentity backend)
    {
        if (_cgroups is null)
        {
            return null;
        }

        var cgroup = _cgroups.TryCreate(BackendFiles.NameOf(backend), out var problem);
        if (cgroup is null)
        {
            LogNoCgroup(backend.Backend.Value, problem ?? "");
        }

        return cgroup;
    }

    /// <summary>Plane's variables and the user's, and of everything else only what a program can't do without.</summary>
    private Dictionary<string, string> EnvironmentOf(BackendStart start, BackendFiles files)
    {
        var environment = BackendEnvironment.Compose(start, start.Port);
        foreach (var name in environment.Keys)
        {
            // A shell hands on only such names; another would be lost without a word.
            if (!(char.IsAsciiLetter(name[0]) || name[0] == '_')
                || !name.All(c => char.IsAsciiLetterOrDigit(c) || c == '_')
                || name.StartsWith(LauncherPrefix, StringComparison.Ordinal))
            {
                throw new RuntimeFailureException($"The environment variable {RuntimeText.Shown(name)} cannot be given to a process: letters, digits and _ only.");
            }
        }

        environment.TryAdd("PATH", _options.Path);
        environment.TryAdd("HOME", files.Work);
        environment.TryAdd("LANG", _options.Lang);
        return environment;
    }

    /// <summary>Looks whether there is something to execute, so that the backend's owner reads what is missing instead of an exit code.</summary>
    /// <returns>The directory to start in.</returns>
    private static string CheckProgram(Executable executable, Dictionary<string, string> environment, BackendFiles files)
    {
        if (executable.Kind != ExecutorKind.Process || executable.Command is not [{ Length: > 0 } program, ..])
        {
            throw new RuntimeFailureException("This drone runs processes, not images.");
        }

        if (executable.Command.Any(a => a is null || a.Contains('\0', StringComparison.Ordinal)))
        {
            throw new RuntimeFailureException("The command's arguments must be texts without NUL characters.");
        }

        var directory = files.Work;
        if (executable.WorkingDirectory is { Length: > 0 } asked)
        {
            directory = Path.GetFullPath(asked, files.Work);
            if (!Directory.Exists(directory))
            {
                throw new RuntimeFailureException($"The working directory {RuntimeText.Shown(asked)} does not exist on this drone.");
            }
        }

        var candidates = program.Contains('/', StringComparison.Ordinal)
            ? [Path.GetFullPath(program, directory)]
            : environment["PATH"].Split(':').Select(d => Path.Combine(directory, d, program));
        return candidates.Any(File.Exists)
            ? directory
            : throw new RuntimeFailureException($"The program {RuntimeText.Shown(program)} was not found on this drone.");
    }
}
