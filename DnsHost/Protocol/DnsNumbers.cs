namespace Plane.DnsHost.Protocol;

/// <summary>Record types that are distinguished (RFC 1035 section 3.2.2; AAAA: RFC 3596; OPT: RFC 6891; transfers: RFC 5936, RFC 1995; CAA: RFC 8659).</summary>
internal enum RecordType : ushort
{
    A = 1,
    Ns = 2,
    Cname = 5,
    Soa = 6,
    Txt = 16,
    Aaaa = 28,
    Opt = 41,
    IncrementalTransfer = 251,
    Transfer = 252,
    Any = 255,
    Caa = 257,
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
