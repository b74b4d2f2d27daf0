using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;
using Plane.ProxyHost.Forwarding;

namespace Plane.ProxyHost.Answers;

/// <summary>
/// What a person sees who goes to a session that is being started: a page that follows <c>/.plane/status</c> of its host and loads the application as soon as it is ready. Its status is 503, so
/// that neither a cache nor an application's service worker takes it for the application. Without script it loads again every few seconds.
/// </summary>
internal static class StartingPage
{
    private const string Style =
        """
        .dots { display: inline-flex; gap: .35rem; margin: 0 0 1rem }
        .dots[hidden] { display: none }
        .dots i { width: .55rem; height: .55rem; border-radius: 50%; background: var(--mark); opacity: .35; animation: wait 1.2s infinite ease-in-out }
        .dots i:nth-child(2) { animation-delay: .15s }
        .dots i:nth-child(3) { animation-delay: .3s }
        @keyframes wait { 40% { opacity: 1 } }
        @media (prefers-reduced-motion: reduce) { .dots i { animation: none; opacity: 1 } }
        a { color: var(--mark) }
        """;

    // Long questions: each ends when the session is ready, or after some seconds. A reload is the same request as the one that this page answered, its fragment included.
    private const string Script =
        """
        (async () => {
          const say = (title, text, ended) => {
            document.getElementById('title').textContent = title;
            document.getElementById('text').textContent = text;
            document.getElementById('dots').hidden = ended;
            document.getElementById('again').hidden = !ended;
          };
          for (;;) {
            let pause = 1000;
            try {
              const answer = await fetch('/.plane/status', { cache: 'no-store', headers: { accept: 'application/json' } });
              if (answer.ok) {
                if ((await answer.json()).status === 'ready') return location.reload();
                pause = 100;
              } else if (answer.status === 503 || answer.status === 429) {
                say('Still waiting…', 'The session can’t be started right now. This page tries again by itself.', false);
                pause = 1000 * (Number(answer.headers.get('retry-after')) || 5);
              } else if (answer.status < 500) {
                return location.reload();
              } else {
                return say('This session could not be started', 'Something went wrong while it was being started.', true);
              }
            } catch {
              pause = 2000;
            }
            await new Promise(resume => setTimeout(resume, pause));
          }
        })();
        """;

    private static readonly string s_style = PageStyle.Text + "\n" + Style;

    private static readonly byte[] s_page = Encoding.UTF8.GetBytes(
        $$"""
        <!doctype html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="robots" content="noindex">
        <noscript><meta http-equiv="refresh" content="3"></noscript>
        <title>Starting…</title>
        <style>{{s_style}}</style>
        </head>
        <body>
        <main>
        <span class="dots" id="dots" aria-hidden="true"><i></i><i></i><i></i></span>
        <div role="status">
        <h1 id="title">Starting…</h1>
        <p id="text">Your session is being started. It opens here by itself.</p>
        </div>
        <p id="again" hidden><a href="">Try again</a></p>
        </main>
        <script>{{Script}}</script>
        </body>
        </html>
        """);

    private static readonly string s_policy = $"default-src 'none'; style-src '{HashOf(s_style)}'; script-src '{HashOf(Script)}'; connect-src 'self'; base-uri 'none'; form-action 'none'";

    /// <summary>Whether a request is of a browser that goes to a page, so that it would show one.</summary>
    public static bool Suits(HttpRequest request) =>
        HttpMethods.IsGet(request.Method)
        && request.Headers.Upgrade.Count == 0
        && ErrorResponses.AcceptsPage(request)
        && request.Headers["Sec-Fetch-Mode"] is { Count: 0 } or ["navigate"];

    /// <summary>Answers with the page.</summary>
    /// <param name="context">The request.</param>
    /// <param name="embedded">Whether pages of other sites may show the session.</param>
    public static async Task WriteAsync(HttpContext context, bool embedded)
    {
        var response = context.Response;
        response.StatusCode = StatusCodes.Status503ServiceUnavailable;
        var headers = response.Headers;
        headers.Server = ResponseHeaders.Server;
        headers.RetryAfter = "1";
        headers.CacheControl = "no-store";
        headers.XContentTypeOptions = "nosniff";
        headers["Referrer-Policy"] = "no-referrer";
        headers.ContentType = "text/html; charset=utf-8";
        headers.ContentSecurityPolicy = s_policy + (embedded ? "; frame-ancestors *" : "; frame-ancestors 'none'");
        headers.ContentLength = s_page.Length;
        await response.Body.WriteAsync(s_page, context.RequestAborted);
    }

    private static string HashOf(string text) => "sha256-" + Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(text)));
}
