using Orleans;
using Orleans.Concurrency;

namespace Plane.Tests.Engine;

/// <summary>What the conformance suite asks of a grain. One interface, implemented with and without <c>[Reentrant]</c>.</summary>
[Alias("tests.IProbe")]
public interface IProbe : IGrainWithStringKey
{
    /// <summary>Reads a counter, waits for a gate, writes it back one higher: lost updates show that turns interleaved.</summary>
    [Alias("Increment")]
    Task<int> Increment(string? gate);

    [Alias("IncrementInterleaved")]
    [AlwaysInterleave]
    Task<int> IncrementInterleaved(string? gate);

    [Alias("Peek")]
    [AlwaysInterleave]
    Task<int> Peek();

    /// <summary>Counts in a plain field between many yields, to show that two turns never run at the same instant.</summary>
    [Alias("Spin")]
    [AlwaysInterleave]
    Task<int> Spin(int rounds);

    [Alias("Note")]
    [OneWay]
    Task Note(string text);

    [Alias("FailOneWay")]
    [OneWay]
    Task FailOneWay();

    [Alias("Notes")]
    Task<string[]> Notes();

    [Alias("Throw")]
    Task Throw(string kind, string message);

    [Alias("WaitBriefly")]
    [ResponseTimeout("00:00:00.300")]
    Task WaitBriefly(string gate);

    [Alias("WaitForCancellation")]
    [AlwaysInterleave]
    Task<bool> WaitForCancellation(string gate, CancellationToken cancellationToken);

    [Alias("AskOther")]
    Task<string> AskOther(string otherKey);

    [Alias("WhoAreYou")]
    Task<string> WhoAreYou();

    /// <summary>Calls itself: a cycle, which only a time-out ends.</summary>
    [Alias("CallMyself")]
    Task<string> CallMyself();

    [Alias("StartTimer")]
    Task StartTimer(int dueMilliseconds, int periodMilliseconds, bool interleave, string? gate);

    [Alias("StopTimer")]
    Task StopTimer();

    [Alias("Deactivate")]
    Task Deactivate();

    [Alias("Instance")]
    Task<int> Instance();

    [Alias("SchedulerIsKept")]
    Task<bool> SchedulerIsKept();
}

/// <summary>The same, on a class whose calls all interleave.</summary>
[Alias("tests.IReentrantProbe")]
public interface IReentrantProbe : IGrainWithStringKey
{
    [Alias("Increment")]
    Task<int> Increment(string? gate);

    [Alias("Spin")]
    Task<int> Spin(int rounds);

    [Alias("CallMyself")]
    Task<string> CallMyself(int depth);
}

/// <summary>A grain that each silo has for itself.</summary>
[Alias("tests.ILocalProbe")]
public interface ILocalProbe : IGrainWithStringKey
{
    [Alias("Increment")]
    Task<int> Increment(string? gate);

    [Alias("Peek")]
    [AlwaysInterleave]
    Task<int> Peek();

    [Alias("Instance")]
    Task<int> Instance();

    [Alias("Deactivate")]
    Task Deactivate();
}

/// <summary>A grain that fails to activate as often as told.</summary>
[Alias("tests.IFragile")]
public interface IFragile : IGrainWithStringKey
{
    [Alias("Ping")]
    Task<int> Ping();
}

/// <summary>Sends messages back.</summary>
[Alias("tests.IEcho")]
public interface IEcho : IGrainWithStringKey
{
    [Alias("Everything")]
    Task<Everything> Everything(Everything value);

    [Alias("Nullable")]
    Task<Everything?> Nullable(Everything? value);

    [Alias("Shape")]
    Task<Shape> Shape(Shape value);

    [Alias("Shapes")]
    Task<Shape[]> Shapes(Shape[] values);

    [Alias("Text")]
    Task<string> Text(string value);

    [Alias("Bytes")]
    Task<byte[]> Bytes(byte[] value);

    [Alias("Dictionary")]
    Task<Dictionary<string, Inner>> Dictionary(Dictionary<string, Inner> value);

    [Alias("Name")]
    Task<ProbeName> Name(ProbeName value);

    [Alias("Defaults")]
    Task<WithDefaults> Defaults(WithDefaults value);

    [Alias("Nothing")]
    Task Nothing();
}
