namespace Plane.Hosting.Ready;

/// <summary>Says on standard output that a role serves: one line that people read and programs wait for.</summary>
public interface IReadyLine
{
    /// <summary>Prints <c>ready role key=value …</c>. Only the first call for a role prints.</summary>
    /// <param name="role">The role, as <c>proxy</c>.</param>
    /// <param name="values">Where it can be reached and what names it, as <c>("url", "http://127.0.0.1:8080")</c>. No secrets.</param>
    void Ready(string role, params IReadOnlyList<(string Key, string Value)> values);
}
