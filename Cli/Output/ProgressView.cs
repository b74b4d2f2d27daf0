using Spectre.Console;

namespace Plane.Cli.Output;

/// <summary>What is shown while a backend is waited for.</summary>
internal interface IProgress
{
    /// <summary>The state that it has reached.</summary>
    void Status(BackendStatus status);

    /// <summary>What its user should know meanwhile.</summary>
    void Hint(string text);
}

/// <summary>Shows a wait on standard error: a live line on a terminal, hints alone in a pipe.</summary>
internal static class ProgressView
{
    public static async Task ShowAsync(Printer printer, Func<IProgress, Task> work)
    {
        if (!printer.IsTerminal || printer.IsJson)
        {
            await work(new Lines(printer)).ConfigureAwait(false);
            return;
        }

        var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error) });
        await console.Status().Spinner(Spinner.Known.Dots).StartAsync("scheduled", view => work(new Live(console, view))).ConfigureAwait(false);
    }

    private sealed class Lines(Printer printer) : IProgress
    {
        public void Status(BackendStatus status)
        {
        }

        public void Hint(string text) => printer.Note(Printer.Plain(text));
    }

    private sealed class Live(IAnsiConsole console, StatusContext view) : IProgress
    {
        public void Status(BackendStatus status) => view.Status(status.WireName());

        public void Hint(string text) => console.WriteLine(Printer.Plain(text), new Style(Color.Yellow));
    }
}
