namespace Plane.Dns.Protocol;

/// <summary>Record types that are told apart (RFC 1035 section 3.2.2, RFC 6891).</summary>
internal enum RecordType : ushort
{
    Ns = 2,
    Soa = 6,
    Txt = 16,
    Opt = 41,
    Any = 255,
}

/// <summary>Response codes (RFC 1035 section 4.1.1; BADVERS: RFC 6891 section 9).</summary>
internal enum ResponseCode
{
    NoError = 0,
    FormatError = 1,
    ServerFailure = 2,
    NameError = 3,
    NotImplemented = 4,
    Refused = 5,
    BadVersion = 16,
}
