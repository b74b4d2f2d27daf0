using System.Globalization;

namespace Plane.ProxyHost.Answers;

/// <summary>The page that people see: no request of its own, no script, light and dark, readable on a phone. All inserted text is the program's own.</summary>
internal static class ErrorPage
{
    /// <summary>Makes the page.</summary>
    /// <param name="error">What it says.</param>
    /// <param name="id">What finds it in the log.</param>
    /// <param name="again">After how many seconds it loads again; null where it does not.</param>
    public static string Render(ProxyError error, string id, long? again = null) =>
        $$"""
        <!doctype html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="robots" content="noindex">
        {{(again is { } seconds ? string.Create(CultureInfo.InvariantCulture, $"<meta http-equiv=\"refresh\" content=\"{seconds}\">") : "")}}
        <title>{{error.Title}}</title>
        <style>
        {{PageStyle.Text}}
        </style>
        </head>
        <body>
        <main>
        <h1>{{error.Title}}</h1>
        <p>{{error.Text}}</p>
        <footer>{{error.Status}} · <code>{{id}}</code></footer>
        </main>
        </body>
        </html>
        """;
}
