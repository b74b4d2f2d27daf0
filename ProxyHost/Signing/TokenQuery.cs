namespace Plane.ProxyHost.Signing;

/// <summary>
/// A signed token in a URL, <c>?plane_token=</c>: from there it goes into the cookie, and out of the URL. The rest of the URL stays as it was written. The name is looked for as it is, not
/// decoded: what is spelled otherwise is the application's.
/// </summary>
internal static class TokenQuery
{
    private const string Name = "plane_token=";

    /// <summary>Whether a target has one. Most have not, and pay a search.</summary>
    public static bool IsIn(string target)
    {
        if (!target.Contains(Name, StringComparison.Ordinal) || target.IndexOf('?', StringComparison.Ordinal) is not (>= 0 and var query))
        {
            return false;
        }

        foreach (var part in target.AsSpan(query + 1).Split('&'))
        {
            if (target.AsSpan(query + 1)[part].StartsWith(Name, StringComparison.Ordinal))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Takes it out.</summary>
    /// <param name="target">A request's target in origin form.</param>
    /// <param name="token">The token; empty where the URL has two, of which none is the one that was meant.</param>
    /// <returns>The target without it.</returns>
    public static string Take(string target, out string token)
    {
        var query = target.IndexOf('?', StringComparison.Ordinal);
        var found = 0;
        token = "";
        var rest = new List<string>();
        foreach (var part in target[(query + 1)..].Split('&'))
        {
            if (part.StartsWith(Name, StringComparison.Ordinal))
            {
                token = part[Name.Length..];
                found++;
            }
            else
            {
                rest.Add(part);
            }
        }

        if (found > 1)
        {
            token = "";
        }

        return rest.Count == 0 ? target[..query] : string.Concat(target.AsSpan(0, query + 1), string.Join('&', rest));
    }
}
