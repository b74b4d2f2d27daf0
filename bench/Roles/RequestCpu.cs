namespace Plane.Bench.Roles;

/// <summary>What a request takes of the CPU, by who uses it, over all rounds of one side. What is left of the machine is the load's, and what was idle.</summary>
internal sealed class RequestCpu(Installation installation)
{
    private TimeSpan _controllers;
    private TimeSpan _postgres;

    /// <summary>All that were made.</summary>
    public double Requests { get; private set; }

    /// <summary>Microseconds of all controllers together.</summary>
    public double Controllers => _controllers.TotalMicroseconds / Requests;

    /// <summary>Microseconds of PostgreSQL's processes.</summary>
    public double Postgres => _postgres.TotalMicroseconds / Requests;

    /// <summary>Both.</summary>
    public double Sum => Controllers + Postgres;

    /// <summary>Measures a round of <paramref name="seconds"/>, which tells its requests a second.</summary>
    public async Task<double> RoundAsync(TimeSpan seconds, Func<Task<double>> perSecond)
    {
        var (controllers, postgres) = (OfControllers(), OfPostgres());
        var rate = await perSecond();
        _controllers += OfControllers() - controllers;
        _postgres += OfPostgres() - postgres;
        Requests += rate * seconds.TotalSeconds;
        return rate;
    }

    public override string ToString() => $"controllers {Report.Number(Controllers)} µs, PostgreSQL {Report.Number(Postgres)} µs";

    private TimeSpan OfControllers() => TimeSpan.FromTicks(installation.Controllers.Sum(c => ProcessUse.Cpu(c.Pid).Ticks));

    // Of the servers of all connections, also of those that have ended: the postmaster counts what it has waited for.
    private TimeSpan OfPostgres() => ProcessUse.CpuWithEnded(installation.Server.Pid);
}
