using System.Globalization;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Logging.Console;

namespace Plane.Hosting.Logging;

/// <summary>One line per entry: time, level, category with event id, message; the exception's lines follow, indented.</summary>
/// <param name="options">Colour.</param>
/// <param name="time">The clock of the time stamps.</param>
internal sealed class LineFormatter(HostingOptions options, TimeProvider time) : ConsoleFormatter(FormatterName)
{
    public const string FormatterName = "plane-line";

    private readonly bool _color = options.LogColor ?? !Console.IsErrorRedirected;

    public override void Write<TState>(in LogEntry<TState> logEntry, IExternalScopeProvider? scopeProvider, TextWriter textWriter)
    {
        var message = logEntry.Formatter?.Invoke(logEntry.State, logEntry.Exception);
        if (message is null && logEntry.Exception is null)
        {
            return;
        }

        textWriter.Write(time.GetUtcNow().ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z' ", CultureInfo.InvariantCulture));
        var (name, color) = Level(logEntry.LogLevel);
        textWriter.Write(_color ? $"{color}{name}\e[0m" : name);
        textWriter.Write(' ');
        textWriter.Write(Short(logEntry.Category));
        textWriter.Write('[');
        textWriter.Write(logEntry.EventId.Id.ToString(CultureInfo.InvariantCulture));
        textWriter.Write("] ");
        textWriter.Write(LogText.Escape(message ?? ""));
        textWriter.Write('\n');
        if (logEntry.Exception is { } exception)
        {
            foreach (var line in exception.ToString().Split('\n'))
            {
                textWriter.Write("    ");
                textWriter.Write(LogText.Escape(line.TrimEnd('\r')));
                textWriter.Write('\n');
            }
        }
    }

    private static string Short(string category) => category.StartsWith("Plane.", StringComparison.Ordinal) ? category["Plane.".Length..] : category;

    private static (string Name, string Color) Level(LogLevel level) => level switch
    {
        LogLevel.Trace => ("trace", "\e[90m"),
        LogLevel.Debug => ("debug", "\e[90m"),
        LogLevel.Information => ("info ", "\e[32m"),
        LogLevel.Warning => ("warn ", "\e[33m"),
        LogLevel.Error => ("error", "\e[31m"),
        _ => ("fatal", "\e[1;31m"),
    };
}
