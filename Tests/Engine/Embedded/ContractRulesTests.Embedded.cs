using System.Net;
using System.Text.Json;
using Orleans;
using Orleans.Contract;

namespace Plane.Tests.Engine.Embedded;

public sealed class ContractRulesTests
{
    [Fact]
    public void The_suites_own_contract_is_clean()
    {
        Assert.Empty(ContractRules.BreachesOf(typeof(IProbe)));
        Assert.Empty(ContractRules.BreachesOf(typeof(IEcho)));
    }

    [Fact]
    public void Every_grain_interface_of_the_contract_is_clean() => Assert.Empty(
        typeof(CallFailed).Assembly.GetTypes().Where(t => t.IsInterface && t.IsAssignableTo(typeof(IGrainWithStringKey))).SelectMany(ContractRules.BreachesOf));

    [Theory]
    [InlineData(typeof(NoSerializer), "[GenerateSerializer]")]
    [InlineData(typeof(NoAlias), "[Alias]")]
    [InlineData(typeof(NotSealed), "sealed")]
    [InlineData(typeof(HasObject), "can't travel")]
    [InlineData(typeof(HasJson), "can't travel")]
    [InlineData(typeof(HasEndPoint), "can't travel")]
    [InlineData(typeof(HasList), "can't travel")]
    [InlineData(typeof(SameId), "stands twice")]
    [InlineData(typeof(NoId), "needs [Id]")]
    [InlineData(typeof(SilentStruct), "read as its default")]
    [InlineData(typeof(Open), "[JsonPolymorphic]")]
    public void A_message_that_would_lose_something_is_found(Type message, string breach) =>
        Assert.Contains(ContractRules.BreachesOfMessage(message), b => b.Contains(breach, StringComparison.Ordinal));

    [Fact]
    public void Methods_that_cannot_be_called_are_found()
    {
        var breaches = ContractRules.BreachesOf(typeof(IBad)).ToArray();
        Assert.Contains(breaches, b => b.Contains("interface needs [Alias]", StringComparison.Ordinal));
        Assert.Contains(breaches, b => b.Contains("returns Task", StringComparison.Ordinal));
        Assert.Contains(breaches, b => b.Contains("comes last", StringComparison.Ordinal));
        Assert.Contains(breaches, b => b.Contains("one-way method returns Task", StringComparison.Ordinal));
    }

    /// <summary>No grain interface, so that the suite's silos don't refuse to start over it.</summary>
    public interface IBad
    {
        int Now();

#pragma warning disable CA1068 // The breach under test.
        Task Early(CancellationToken ct, int number);
#pragma warning restore CA1068

        [Orleans.Concurrency.OneWay]
        Task<int> Never();
    }

    [Alias("x"), Immutable]
    public sealed record NoSerializer([property: Id(0)] int X);

    [GenerateSerializer, Immutable]
    public sealed record NoAlias([property: Id(0)] int X);

    [GenerateSerializer, Immutable, Alias("x")]
    public record NotSealed([property: Id(0)] int X);

    [GenerateSerializer, Immutable, Alias("x")]
    public sealed record HasObject([property: Id(0)] object X);

    [GenerateSerializer, Immutable, Alias("x")]
    public sealed record HasJson([property: Id(0)] JsonElement X);

    [GenerateSerializer, Immutable, Alias("x")]
    public sealed record HasEndPoint([property: Id(0)] IPEndPoint X);

    [GenerateSerializer, Immutable, Alias("x")]
    public sealed record HasList([property: Id(0)] IReadOnlyList<int> X);

    [GenerateSerializer, Immutable, Alias("x")]
    public sealed record SameId([property: Id(0)] int X, [property: Id(0)] int Y);

    [GenerateSerializer, Immutable, Alias("x")]
    public sealed record NoId([property: Id(0)] int X)
    {
        public int Y { get; init; }
    }

    [GenerateSerializer, Immutable, Alias("x")]
    public abstract record Open;

    [GenerateSerializer, Immutable, Alias("x")]
    public readonly struct SilentStruct
    {
        private SilentStruct(int x) => X = x;

        [Id(0)]
        public int X { get; }

        public static SilentStruct Of(int x) => new(x);
    }
}
