using DnsClient.Protocol;

namespace Plane.DnsHost.Check;

/// <summary>Whether a set of CAA records lets an authority issue for a name and its wildcard (RFC 8659 section 4; parameters: RFC 8657).</summary>
internal static class CaaRules
{
    /// <summary>Why it may not, or null.</summary>
    public static string? Problem(IReadOnlyList<CaaRecord> records, string authority)
    {
        string[] known = ["issue", "issuewild", "iodef", "issuemail", "issuevmc", "contactemail", "contactphone"];
        if (records.FirstOrDefault(r => (r.Flags & 0x80) != 0 && !known.Contains(r.Tag, StringComparer.OrdinalIgnoreCase)) is { } critical)
        {
            return $"the record '{critical.Tag}' is marked as critical, and no authority that does not know it may issue";
        }

        var names = Of(records, "issue");
        var wildcards = Of(records, "issuewild");
        return Problem(names, authority, "the name")
            ?? Problem(wildcards.Count > 0 ? wildcards : names, authority, "its wildcard");
    }

    private static List<string> Of(IReadOnlyList<CaaRecord> records, string tag) =>
        [.. records.Where(r => r.Tag.Equals(tag, StringComparison.OrdinalIgnoreCase)).Select(r => r.Value)];

    private static string? Problem(List<string> issuers, string authority, string what)
    {
        if (issuers.Count == 0)
        {
            return null;
        }

        var own = issuers.Where(v => v.Split(';')[0].Trim().Equals(authority, StringComparison.OrdinalIgnoreCase)).ToList();
        if (own.Count == 0)
        {
            var others = issuers.Select(v => v.Split(';')[0].Trim()).Where(v => v.Length > 0).Distinct().ToList();
            return $"{authority} may not issue for {what}: {(others.Count == 0 ? "nobody may" : "only " + string.Join(", ", others))}";
        }

        // An account named there cannot be checked from here; the method can.
        return own.All(v => v.Split(';').Skip(1).Any(p => Method(p) is { } methods && !methods.Contains("dns-01", StringComparer.OrdinalIgnoreCase)))
            ? $"{authority} may not issue for {what} by the method dns-01"
            : null;
    }

    private static string[]? Method(string parameter)
    {
        var parts = parameter.Split('=', 2, StringSplitOptions.TrimEntries);
        return parts.Length == 2 && parts[0].Equals("validationmethods", StringComparison.OrdinalIgnoreCase)
            ? parts[1].Split(',', StringSplitOptions.TrimEntries)
            : null;
    }
}
