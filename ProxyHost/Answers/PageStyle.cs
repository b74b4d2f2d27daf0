namespace Plane.ProxyHost.Answers;

/// <summary>How the proxy's own pages look: light and dark, readable on a phone, nothing from elsewhere.</summary>
internal static class PageStyle
{
    public const string Text =
        """
        :root { color-scheme: light dark; --ink: #1d2433; --soft: #5d6678; --paper: #f6f7f9; --card: #fff; --line: #e2e5eb; --mark: #3b6ef5 }
        @media (prefers-color-scheme: dark) { :root { --ink: #e9ecf3; --soft: #99a2b5; --paper: #12151c; --card: #1a1e28; --line: #2a303d; --mark: #7ba0ff } }
        * { box-sizing: border-box }
        body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1.5rem; background: var(--paper); color: var(--ink);
          font: 1rem/1.6 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif }
        main { max-width: 28rem; width: 100%; padding: 2.25rem; background: var(--card); border: 1px solid var(--line); border-radius: 14px }
        main::before { content: ""; display: block; width: 2.25rem; height: .25rem; border-radius: 2px; background: var(--mark); margin-bottom: 1.25rem }
        h1 { margin: 0 0 .5rem; font-size: 1.375rem; line-height: 1.3; text-wrap: balance }
        p { margin: 0; color: var(--soft) }
        footer { margin-top: 1.75rem; padding-top: 1rem; border-top: 1px solid var(--line); color: var(--soft); font-size: .8125rem }
        code { font: .8125rem ui-monospace, SFMono-Regular, Menlo, monospace; user-select: all }
        """;
}
