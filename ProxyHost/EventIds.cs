namespace Plane.ProxyHost;

/// <summary>The ids of this project's log messages. An id means one thing in the whole product and keeps its meaning: a new message gets a new one.</summary>
internal static class EventIds
{
    public const int RouteResolverResolveFailed = 6501;
    public const int RouteResolverCheckFailed = 6502;
    public const int RouteResolverStaleAnswers = 6503;
    public const int RouteResolverBadAddress = 6504;
    public const int ChangeReaderReadFailed = 6510;
    public const int ChangeReaderReadingAgain = 6511;
    public const int ChangeReaderGap = 6512;
    public const int ChangeReaderCut = 6513;
    public const int UseReporterReportFailed = 6520;
    public const int UseReporterReportError = 6521;
    public const int DrainDraining = 6530;
    public const int DrainDrainOver = 6531;
    public const int ErrorResponsesFailed = 6540;
    public const int ErrorResponsesRefused = 6541;
    public const int ProxyPipelineUnexpected = 6550;
    public const int ProxyPipelineForwardFailed = 6551;
    public const int ProxyReadyReady = 6560;
    public const int ProxyProtocolRefused = 6570;
    public const int ServiceReadFailed = 6580;
    public const int ServiceStale = 6581;
    public const int ServiceUnusableKey = 6582;
    public const int ServiceEnterFailed = 6583;
    public const int ServiceRefreshCut = 6584;
    public const int ServiceForwardAuthUnavailable = 6585;
    public const int CertificateSlotServing = 6600;
    public const int CertificateFilesProblem = 6601;
    public const int CertificateFilesNoWildcard = 6602;
    public const int HttpsListenerOpen = 6603;
    public const int CertificateSlotExpired = 6604;
    public const int OrderingOrdered = 6700;
    public const int OrderingResuming = 6701;
    public const int OrderingReused = 6702;
    public const int OrderingIssued = 6703;
    public const int OrderingNotOffered = 6704;
    public const int OrderingTerms = 6705;
    public const int OrderingNotTidied = 6706;
    public const int CertificateRenewalServiceFailed = 6710;
    public const int CertificateRenewalServiceFailedUnexpectedly = 6711;
    public const int CertificateRenewalServiceWaiting = 6712;
    public const int CertificateRenewalServiceControllerAway = 6713;
    public const int CertificateRenewalServiceOvertaken = 6714;
    public const int CertificateRenewalServiceLeaseNotRenewed = 6715;
    public const int CertificateRenewalServiceStored = 6716;
    public const int CertificateRenewalServiceSuggested = 6717;
    public const int CertificateRenewalServiceNotSaid = 6718;
    public const int CertificateRenewalServiceNotNoted = 6719;
}
