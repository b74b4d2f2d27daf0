using System.Text.Json.Serialization;
using Orleans;

namespace Plane;

/// <summary>The status of a backend. Numbers grow along its life; steps may be skipped, never reversed (<see cref="BackendTransitions"/>).</summary>
[GenerateSerializer, Alias("plane.BackendStatus")]
[JsonConverter(typeof(StrictEnumConverter<BackendStatus>))]
public enum BackendStatus
{
    /// <summary>The key is acquired and a drone chosen. Set by the controller alone.</summary>
    [JsonStringEnumMemberName("scheduled")]
    Scheduled = 10,

    /// <summary>The drone brings the image.</summary>
    [JsonStringEnumMemberName("loading")]
    Loading = 20,

    /// <summary>The container or process is being started.</summary>
    [JsonStringEnumMemberName("starting")]
    Starting = 30,

    /// <summary>It runs and does not answer yet.</summary>
    [JsonStringEnumMemberName("waiting")]
    Waiting = 40,

    /// <summary>It answers HTTP.</summary>
    [JsonStringEnumMemberName("ready")]
    Ready = 50,

    /// <summary>It was asked to end.</summary>
    [JsonStringEnumMemberName("terminating")]
    Terminating = 60,

    /// <summary>It is being killed.</summary>
    [JsonStringEnumMemberName("hard-terminating")]
    HardTerminating = 65,

    /// <summary>Nothing of it runs. Final.</summary>
    [JsonStringEnumMemberName("terminated")]
    Terminated = 70,
}

/// <summary>Who ended a backend and why. None means that it exited by itself.</summary>
[GenerateSerializer, Alias("plane.TerminationReason")]
[JsonConverter(typeof(StrictEnumConverter<TerminationReason>))]
public enum TerminationReason
{
    /// <summary>Idle or over its lifetime.</summary>
    [JsonStringEnumMemberName("swept")]
    Swept = 1,

    /// <summary>Somebody asked for it, or an operator stopped, killed or removed its container.</summary>
    [JsonStringEnumMemberName("external")]
    External = 2,

    /// <summary>Its key could not be renewed.</summary>
    [JsonStringEnumMemberName("keyexpired")]
    KeyExpired = 3,

    /// <summary>Its drone was not heard of until the key had expired.</summary>
    [JsonStringEnumMemberName("lost")]
    Lost = 4,

    /// <summary>It did not answer in time.</summary>
    [JsonStringEnumMemberName("startuptimeout")]
    StartupTimeout = 5,

    /// <summary>It could not be brought up or kept up: image, runtime, disk.</summary>
    [JsonStringEnumMemberName("internalerror")]
    InternalError = 6,
}

/// <summary>How a backend is ended.</summary>
[GenerateSerializer, Alias("plane.TerminationKind")]
[JsonConverter(typeof(StrictEnumConverter<TerminationKind>))]
public enum TerminationKind
{
    /// <summary>By its stop signal, and a kill after the grace period.</summary>
    [JsonStringEnumMemberName("soft")]
    Soft = 1,

    /// <summary>By a kill.</summary>
    [JsonStringEnumMemberName("hard")]
    Hard = 2,
}

/// <summary>Who reports a transition.</summary>
public enum TransitionSource
{
    /// <summary>The drone that runs the backend.</summary>
    Drone,

    /// <summary>The controller: it schedules, and gives up what is lost.</summary>
    Controller,
}
