using Plane.Hosting.Configuration;


namespace Plane.Cli.Roles;

/// <summary>Checks what <c>plane demo</c> is started with and is used only once everything runs.</summary>
internal sealed class DemoOptionsValidator : OptionsValidator<DemoOptions>
{
    protected override void Check(DemoOptions o, OptionRules rules) => rules.That(NameRules.TextProblem(o.Key, 1) is null, o.Key, NameRules.TextProblem(o.Key, 1));
}
