namespace Plane.Simulation.Core;

/// <summary>Something that fibers wait for. Open, it stays so; a pulse wakes those who wait now.</summary>
internal sealed class Gate(Scheduler scheduler)
{
    private readonly List<(Fiber Fiber, int Wake)> _waiting = [];

    public bool IsOpen { get; private set; }

    public void Open()
    {
        IsOpen = true;
        Pulse();
    }

    public void Pulse()
    {
        if (_waiting.Count == 0)
        {
            return;
        }

        foreach (var (fiber, wake) in _waiting)
        {
            if (fiber.Wake == wake)
            {
                scheduler.WakeAt(fiber, scheduler.Now);
            }
        }

        _waiting.Clear();
    }

    public void Add(Fiber fiber)
    {
        if (_waiting.Count > 16)
        {
            _waiting.RemoveAll(static w => w.Fiber.Wake != w.Wake);
        }

        _waiting.Add((fiber, fiber.Wake));
    }
}
