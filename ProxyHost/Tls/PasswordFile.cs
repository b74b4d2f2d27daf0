using System.Text;

namespace Plane.Proxy.Tls;

/// <summary>A file that holds one secret: a line end after it doesn't count.</summary>
internal static class PasswordFile
{
    /// <exception cref="CertificateProblemException">It can't be read.</exception>
    public static string Read(string path) =>
        Encoding.UTF8.GetString(CertificateReader.ReadFile(path, "a file that holds the password alone")).TrimEnd('\r', '\n');
}
