using System.Globalization;

namespace Plane.Grains.Keys;

/// <summary>Reads <see cref="KeyConfig.GrainKey"/> back: <c>{namespace.Length}:{namespace}{name}</c>.</summary>
internal static class GrainKeyText
{
    public static bool TryParse(string grainKey, out KeyConfig key)
    {
        var colon = grainKey.IndexOf(':', StringComparison.Ordinal);
        if (colon > 0
            && int.TryParse(grainKey.AsSpan(0, colon), NumberStyles.None, CultureInfo.InvariantCulture, out var length)
            && length <= grainKey.Length - colon - 1)
        {
            key = new KeyConfig { Namespace = grainKey.Substring(colon + 1, length), Name = grainKey[(colon + 1 + length)..] };

            // 01:… would be another grain for the same key.
            return key.Validate("key") is null && key.GrainKey == grainKey;
        }

        key = new KeyConfig { Name = "" };
        return false;
    }
}
