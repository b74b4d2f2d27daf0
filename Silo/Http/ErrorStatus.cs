using Microsoft.AspNetCore.Http;

namespace Plane.Silo.Http;

/// <summary>The one table of error kinds and HTTP statuses.</summary>
internal static class ErrorStatus
{
    /// <summary>The status that an error of this kind is answered with.</summary>
    public static int Of(ErrorKind kind) => kind switch
    {
        ErrorKind.NoClusterProvided or ErrorKind.InvalidClusterName or ErrorKind.InvalidRequest => StatusCodes.Status400BadRequest,
        ErrorKind.Unauthorized => StatusCodes.Status401Unauthorized,
        ErrorKind.NotFound => StatusCodes.Status404NotFound,
        ErrorKind.KeyUnheldNoSpawnConfig or ErrorKind.KeyHeld or ErrorKind.FailedToRemoveKey or ErrorKind.BackendIdTaken
            or ErrorKind.RequestIdTaken or ErrorKind.SigningKeyTaken => StatusCodes.Status409Conflict,
        ErrorKind.PayloadTooLarge => StatusCodes.Status413PayloadTooLarge,
        ErrorKind.WakeLimited => StatusCodes.Status429TooManyRequests,
        ErrorKind.ForwardAuthUnavailable => StatusCodes.Status502BadGateway,
        ErrorKind.NoDroneAvailable or ErrorKind.FailedToAcquireKey or ErrorKind.DatabaseError or ErrorKind.KeysHeldOff
            or ErrorKind.ServiceFull or ErrorKind.CrashLoop => StatusCodes.Status503ServiceUnavailable,
        ErrorKind.KeyHeldUnhealthy or ErrorKind.Other => StatusCodes.Status500InternalServerError,
        _ => StatusCodes.Status500InternalServerError,
    };
}
